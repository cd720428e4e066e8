/**
 * When each device last sent telemetry, in memory: agents send a window also when there were no requests, so silence is silence.
 * What was sent before the hub started is not known, so nothing is concluded until it has run for as long as is asked about.
 */
import type { Clock } from '../../shared/base/clock.ts';

export class ReportTimes {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #startedAt: number;
  /** By the monotonic clock: setting the other one makes no device silent. */
  readonly #lastAt = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  note(deviceId: string): void {
    this.#lastAt.set(deviceId, this.#clock.monotonic());
  }

  removed(deviceId: string): void {
    this.#lastAt.delete(deviceId);
  }

  /** Whether the hub has run for long enough to know. */
  isKnown(withinMs: number): boolean {
    return this.#clock.monotonic() - this.#startedAt >= withinMs;
  }

  isFresh(deviceId: string, withinMs: number): boolean {
    const lastAt = this.#lastAt.get(deviceId);
    return lastAt !== undefined && this.#clock.monotonic() - lastAt < withinMs;
  }
}
