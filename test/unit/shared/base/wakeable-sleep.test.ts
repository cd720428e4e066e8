import { describe, expect, it } from 'vitest';
import { WakeableSleep } from '../../../../shared/base/wakeable-sleep.ts';

/** A clock whose sleeps end only with their signal, as one that nobody waits out. */
function longSleeps() {
  const asked: number[] = [];
  const sleep = (ms: number, signal?: AbortSignal) => {
    asked.push(ms);
    return new Promise<void>((_resolve, reject) => {
      if (signal?.aborted) reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  };
  return { asked, sleep };
}

const unending = new AbortController().signal;

describe('WakeableSleep', () => {
  it('ends when it is woken, and sleeps again as long as before', async () => {
    const clock = longSleeps();
    const sleep = new WakeableSleep(clock);
    for (let round = 0; round < 2; round += 1) {
      const slept = sleep.sleep(60_000, unending);
      sleep.wake();
      await slept;
    }
    expect(clock.asked).toEqual([60_000, 60_000]);
  });

  it('does not keep a call to wake() for a later sleep', async () => {
    const sleep = new WakeableSleep(longSleeps());
    sleep.wake();
    const slept = sleep.sleep(60_000, unending).then(() => 'over');
    expect(await Promise.race([slept, new Promise((resolve) => setImmediate(resolve, 'asleep'))])).toBe(
      'asleep',
    );
    sleep.wake();
    expect(await slept).toBe('over');
  });

  it('ends with the signal instead of throwing, also one that was aborted before', async () => {
    const stop = new AbortController();
    const sleep = new WakeableSleep(longSleeps());
    const slept = sleep.sleep(60_000, stop.signal);
    stop.abort();
    await slept;
    await sleep.sleep(Number.POSITIVE_INFINITY, stop.signal);
  });

  it('may be without an end, and asks no clock then', async () => {
    const clock = longSleeps();
    const sleep = new WakeableSleep(clock);
    const slept = sleep.sleep(Number.POSITIVE_INFINITY, unending);
    sleep.wake();
    await slept;
    expect(clock.asked).toEqual([]);
  });
});
