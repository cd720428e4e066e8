import { expect, it } from 'vitest';
import { ClockGuard } from '../../../../hub/clock/clock-guard.ts';
import { loggedLines } from '../../../support/logged.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

it('clamps times to the same instant in all stores: what belongs together by a time still does', async () => {
  const clock = new ManualClock();
  const takenBackTo: number[] = [];
  const slow = {
    async clampFutureTimes(now: number) {
      takenBackTo.push(now);
      clock.advance(5);
      return 1;
    },
  };
  const guard = new ClockGuard({
    clock,
    audit: { append: async () => undefined },
    logger: loggedLines().logger,
    stores: [slow, slow, slow],
  });
  await guard.start();
  expect(takenBackTo).toHaveLength(3);
  expect(new Set(takenBackTo).size).toBe(1);
});
