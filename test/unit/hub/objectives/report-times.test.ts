import { expect, it } from 'vitest';
import { ReportTimes } from '../../../../hub/objectives/report-times.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

it('knows for how long each device has been silent, whatever the wall clock is set to', () => {
  const clock = new ManualClock();
  const times = new ReportTimes(clock);
  times.note('dev-1');
  clock.advance(59_000);
  clock.set(0);
  times.note('dev-2');
  expect(times.isKnown(60_000)).toBe(false);
  expect(times.isFresh('dev-1', 60_000)).toBe(true);
  clock.advance(1_000);
  expect(times.isKnown(60_000)).toBe(true);
  expect(['dev-1', 'dev-2', 'dev-3'].map((id) => times.isFresh(id, 60_000))).toEqual([false, true, false]);
  times.removed('dev-2');
  expect(times.isFresh('dev-2', 60_000)).toBe(false);
});
