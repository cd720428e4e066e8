/**
 * Latencies as a DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019): quantiles within 1 % of the true value, merged
 * exactly in any order. Values are kept in microseconds and held between 2 µs and one day, so that a sketch has at most
 * some 1,230 bins whatever it is fed.
 *
 * The mapping of values to bins is that of @datadog/sketches-js; the bins are our own. The library's stores take
 * anything that is read into them (any key, any count: memory without end), take a key of 0 for "absent" when they are
 * merged, and cost 70 µs a report to read back.
 */
import { DDSketch } from '@datadog/sketches-js';

const { mapping } = new DDSketch({ relativeAccuracy: 0.01 });
const MICROSECONDS_MIN = 2;
const MICROSECONDS_MAX = 86_400_000_000;

/** Lowest and highest bin a sketch can have. */
export const latencyKeys = {
  min: mapping.key(MICROSECONDS_MIN),
  max: mapping.key(MICROSECONDS_MAX),
} as const;

/** Counts of adjacent bins, the first of which is `first`: what travels and what is stored. */
export interface LatencyBins {
  readonly first: number;
  readonly counts: readonly number[];
}

export class LatencySketch implements LatencyBins {
  #first = latencyKeys.min;
  #counts: number[] = [];
  #count = 0;

  /** Latencies added so far. */
  get count(): number {
    return this.#count;
  }
  get first(): number {
    return this.#first;
  }
  get counts(): readonly number[] {
    return this.#counts;
  }

  /** Adds one latency in milliseconds; what is not a number is left out. */
  add(ms: number): void {
    if (Number.isNaN(ms)) return;
    const microseconds = Math.min(Math.max(ms * 1_000, MICROSECONDS_MIN), MICROSECONDS_MAX);
    this.merge({ first: mapping.key(microseconds), counts: [1] });
  }

  /** Adds all of another sketch, or of bins that were checked to lie within `latencyKeys`. */
  merge({ first, counts }: LatencyBins): void {
    if (counts.length === 0) return;
    this.#cover(first, first + counts.length);
    const offset = first - this.#first;
    for (let i = 0; i < counts.length; i += 1) {
      this.#counts[offset + i]! += counts[i]!;
      this.#count += counts[i]!;
    }
  }

  /** Latency in milliseconds at `quantile` (0…1); undefined when nothing was added. */
  quantileMs(quantile: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = quantile * (this.#count - 1);
    let below = 0;
    let at = 0;
    for (; at < this.#counts.length - 1; at += 1) {
      below += this.#counts[at]!;
      if (below > rank) break;
    }
    return mapping.value(this.#first + at) / 1_000;
  }

  /** How many took longer, in whole bins: a latency up to 2 % beyond `ms` may share its bin and not count. */
  countAbove(ms: number): number {
    const microseconds = Math.min(Math.max(ms * 1_000, MICROSECONDS_MIN), MICROSECONDS_MAX);
    const beyond = mapping.key(microseconds) + 1 - this.#first;
    return this.#counts.slice(Math.max(0, beyond)).reduce((sum, count) => sum + count, 0);
  }

  /** A copy to send or store. */
  bins(): { first: number; counts: number[] } {
    return { first: this.#first, counts: this.#counts.slice() };
  }

  /** Allocates the bins from `first` to before `end`. */
  #cover(first: number, end: number): void {
    if (this.#counts.length === 0) {
      this.#first = first;
    } else if (first < this.#first) {
      this.#counts = [...new Array<number>(this.#first - first).fill(0), ...this.#counts];
      this.#first = first;
    }
    while (this.#first + this.#counts.length < end) this.#counts.push(0);
  }
}
