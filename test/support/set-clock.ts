/** The system clock, some time ahead of itself until it is set; time passes as it does. Waits look at the clock often. */
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';

export class SetClock implements Clock {
  aheadMs = 0;

  now(): number {
    return systemClock.now() + this.aheadMs;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(Math.min(ms, 200), signal);
  }
}
