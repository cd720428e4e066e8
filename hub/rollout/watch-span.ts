/**
 * Since when the hub has been watching its devices without a gap. A hub that was down, or whose clock was set, has no
 * observations of the time in between: no device may be called silent or late because of it (promise P5).
 */
import type { Clock } from '../../shared/base/clock.ts';

/** Differences between the two clocks below this are drift and slewing, not a clock that was set. */
const JUMP_MS = 30_000;

export class WatchSpan {
  readonly #clock: Clock;
  #since: number;
  /** Wall clock minus monotonic clock; it moves when the wall clock is set. */
  #offset: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
    this.#offset = clock.now() - clock.monotonic();
  }

  /** Milliseconds since the epoch, by the clock as it is now. */
  since(): number {
    const now = this.#clock.now();
    const offset = now - this.#clock.monotonic();
    if (Math.abs(offset - this.#offset) >= JUMP_MS) this.#since = now;
    this.#offset = offset;
    return this.#since;
  }
}
