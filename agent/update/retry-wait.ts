/** The wait of an update before what failed is tried again: longer after each failure in one state, until that is left. */
import type { Clock, Random } from '../../shared/base/clock.ts';
import { retrySchedule } from '../../shared/base/retry-schedule.ts';

const FIRST_MS = 1_000;
const MAX_MS = 300_000;

export class RetryWait {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #random: Random;
  #waits: Generator<number, never>;
  #until = 0;

  constructor(clock: Pick<Clock, 'monotonic'>, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#waits = this.#newWaits();
  }

  /** Milliseconds left; 0 when it may be tried. */
  get leftMs(): number {
    return Math.max(0, this.#until - this.#clock.monotonic());
  }

  /** It failed: waits, `leastMs` at the least. */
  failed(leastMs = 0): void {
    this.#until = this.#clock.monotonic() + Math.max(this.#waits.next().value, leastMs);
  }

  /** It may be tried now. */
  end(): void {
    this.#until = 0;
  }

  /** Another state: it may be tried now, and the next wait is a short one. */
  startAnew(): void {
    this.end();
    this.#waits = this.#newWaits();
  }

  #newWaits(): Generator<number, never> {
    return retrySchedule({ firstMs: FIRST_MS, maxMs: MAX_MS, random: this.#random });
  }
}
