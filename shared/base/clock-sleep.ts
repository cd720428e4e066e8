/** A long wait that ends early when somebody sets the clock: what was timed by the old time is looked at again. */
import type { Clock } from './clock.ts';
import { clockWatch } from './retry-backoff.ts';

const STEP_MS = 30_000;

/** Resolves after `ms`, or within half a minute after the clock was set; rejects with the signal's reason when it is aborted. */
export async function sleepUnlessSet(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  const wasSet = clockWatch(clock);
  const end = clock.monotonic() + ms;
  for (let left = ms; left > 0 && !wasSet(); left = end - clock.monotonic()) {
    await clock.sleep(Math.min(left, STEP_MS), signal);
  }
}
