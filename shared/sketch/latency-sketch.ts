/**
 * Latencies as a DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019): quantiles within 1 % of the true value, merged
 * exactly in any order. Values are kept in microseconds and held between 2 µs and one day, so that a sketch has at most
 * some 1,230 bins whatever it is fed, and none of key 0.
 *
 * Two traps of @datadog/sketches-js are walked around: merging goes through `accept` with a weight, because
 * `DenseStore.merge` takes a key of 0 for "absent" and writes past its bins; and bytes from outside are rebuilt bin by
 * bin after a check, because `fromProto` takes any key and any count, and zero bins it reads widen the range for good.
 */
import { DDSketch } from '@datadog/sketches-js';
import { AppError } from '../base/app-error.ts';
import { limits } from '../base/limits.ts';

const RELATIVE_ACCURACY = 0.01;
const MICROSECONDS_MIN = 2;
const MICROSECONDS_MAX = 86_400_000_000;

const reference = new DDSketch({ relativeAccuracy: RELATIVE_ACCURACY }).mapping;
const KEY_MIN = reference.key(MICROSECONDS_MIN);
const KEY_MAX = reference.key(MICROSECONDS_MAX);

export class LatencySketch {
  readonly #sketch = new DDSketch({ relativeAccuracy: RELATIVE_ACCURACY });

  get count(): number {
    return this.#sketch.count;
  }

  /** Adds one latency in milliseconds; what is not a number is left out. */
  add(ms: number): void {
    if (Number.isNaN(ms)) return;
    this.#sketch.accept(Math.min(Math.max(ms * 1_000, MICROSECONDS_MIN), MICROSECONDS_MAX));
  }

  /** Adds all of another sketch. */
  merge(other: LatencySketch): void {
    for (const [key, count] of bins(other.#sketch)) this.#sketch.accept(reference.value(key), count);
  }

  /** Latency in milliseconds at `quantile` (0…1); undefined when nothing was added. */
  quantileMs(quantile: number): number | undefined {
    return this.count === 0 ? undefined : this.#sketch.getValueAtQuantile(quantile) / 1_000;
  }

  /** Protobuf as the library writes it. */
  toBytes(): Uint8Array {
    return this.#sketch.toProto();
  }

  /** Reads `toBytes` of another program. Throws `bad_input` or `too_large`; keeps nothing of the bytes. */
  static fromBytes(bytes: Uint8Array): LatencySketch {
    if (bytes.byteLength > limits.latencySketchBytesMax) {
      throw new AppError(
        'too_large',
        `Cannot read latency sketch: ${bytes.byteLength} bytes, at most ${limits.latencySketchBytesMax} are allowed.`,
      );
    }
    let found: DDSketch;
    try {
      found = DDSketch.fromProto(bytes);
    } catch (cause) {
      throw new AppError('bad_input', 'Cannot read latency sketch: it is no DDSketch.', { cause });
    }
    const ok =
      sameMapping(found, KEY_MIN) &&
      sameMapping(found, KEY_MAX) &&
      found.zeroCount === 0 &&
      found.negativeStore.count === 0;
    if (!ok) {
      throw new AppError(
        'bad_input',
        'Cannot read latency sketch: wanted relative accuracy 0.01 and positive values.',
      );
    }
    const sketch = new LatencySketch();
    for (const [key, count] of bins(found)) {
      if (!Number.isInteger(count) || count < 0 || key < KEY_MIN || key > KEY_MAX) {
        throw new AppError(
          'bad_input',
          `Cannot read latency sketch: bin ${key} with count ${count}, wanted whole counts in bins ${KEY_MIN} to ${KEY_MAX}.`,
        );
      }
      sketch.#sketch.accept(reference.value(key), count);
    }
    return sketch;
  }
}

function* bins(sketch: DDSketch): Generator<[key: number, count: number]> {
  const { bins: counts, offset } = sketch.store;
  for (let i = 0; i < counts.length; i += 1) if (counts[i] !== 0) yield [i + offset, counts[i]!];
}

function sameMapping(sketch: DDSketch, key: number): boolean {
  const wanted = reference.value(key);
  return Math.abs(sketch.mapping.value(key) - wanted) <= wanted * 1e-6;
}
