import { describe, expect, it } from 'vitest';
import { RetryBackoff } from '../../../../shared/base/retry-backoff.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const make = () => {
  const clock = new ManualClock();
  return { clock, backoff: new RetryBackoff({ clock, firstMs: 1_000, maxMs: 5_000 }) };
};

describe('RetryBackoff', () => {
  it('waits twice as long after each failure, up to a bound', () => {
    const { clock, backoff } = make();
    expect(backoff.mayPass(1)).toBe(true);
    for (const waitMs of [1_000, 2_000, 4_000, 5_000, 5_000]) {
      expect(backoff.failed(1)).toBe(waitMs);
      clock.advance(waitMs - 1);
      expect(backoff.mayPass(1)).toBe(false);
      clock.advance(1);
      expect(backoff.mayPass(1)).toBe(true);
    }
  });

  it('tries at once, and begins anew, when what it looks at has changed', () => {
    const { backoff } = make();
    backoff.failed(1);
    backoff.failed(1);
    expect(backoff.mayPass(2)).toBe(true);
    expect(backoff.failed(2)).toBe(1_000);
  });

  it('tries at once when the clock was set, either way, and not because it was corrected a little', () => {
    for (const ms of [-3_600_000, 3_600_000]) {
      const { clock, backoff } = make();
      backoff.failed(1);
      clock.set(clock.now() + 500);
      expect(backoff.mayPass(1)).toBe(false);
      clock.set(clock.now() + ms);
      expect(backoff.mayPass(1)).toBe(true);
    }
  });

  it('forgets after a success', () => {
    const { backoff } = make();
    backoff.failed(1);
    backoff.failed(1);
    backoff.clear();
    expect(backoff.mayPass(1)).toBe(true);
    expect(backoff.failed(1)).toBe(1_000);
  });
});
