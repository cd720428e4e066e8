import { expect, it } from 'vitest';
import { WatchSpan } from '../../../../hub/rollout/watch-span.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

it('WatchSpan begins with the process, and again when the wall clock is set', () => {
  const clock = new ManualClock(1_000_000);
  const watch = new WatchSpan(clock);
  clock.advance(7 * 86_400_000);
  expect(watch.since()).toBe(1_000_000);
  clock.set(clock.now() + 5_000);
  expect(watch.since()).toBe(1_000_000);
  clock.set(clock.now() + 3_600_000);
  const ahead = clock.now();
  clock.advance(100);
  expect(watch.since()).toBe(ahead + 100);
  clock.set(2_000);
  expect(watch.since()).toBe(2_000);
});
