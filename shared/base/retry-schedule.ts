/**
 * Waits between tries: exponential, capped, with full jitter (each wait is uniform in [base/2, limit]), so that ten
 * thousand devices that lost the same hub do not come back in step.
 */
import type { Random } from './clock.ts';

export interface RetryScheduleOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly random: Random;
}

/** Endless sequence of waits in milliseconds; start a new one after a success. */
export function* retrySchedule({ firstMs, maxMs, random }: RetryScheduleOptions): Generator<number, never> {
  for (let attempt = 0; ; attempt += 1) {
    const limit = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
    yield Math.round(firstMs / 2 + random() * (limit - firstMs / 2));
  }
}
