import { describe, expect, it } from 'vitest';
import { Setback } from '../../../../shared/base/setback.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const make = () => {
  const clock = new ManualClock();
  return { clock, setback: new Setback({ clock, firstMs: 1_000, maxMs: 5_000 }) };
};

describe('Setback', () => {
  it('waits twice as long after each failure, up to a bound', () => {
    const { clock, setback } = make();
    expect(setback.mayPass(1)).toBe(true);
    for (const waitMs of [1_000, 2_000, 4_000, 5_000, 5_000]) {
      expect(setback.failed(1)).toBe(waitMs);
      clock.advance(waitMs - 1);
      expect(setback.mayPass(1)).toBe(false);
      clock.advance(1);
      expect(setback.mayPass(1)).toBe(true);
    }
  });

  it('tries at once, and begins anew, when what it looks at has changed', () => {
    const { setback } = make();
    setback.failed(1);
    setback.failed(1);
    expect(setback.mayPass(2)).toBe(true);
    expect(setback.failed(2)).toBe(1_000);
  });

  it('tries at once when the clock was set, either way, and not because it was corrected a little', () => {
    for (const ms of [-3_600_000, 3_600_000]) {
      const { clock, setback } = make();
      setback.failed(1);
      clock.set(clock.now() + 500);
      expect(setback.mayPass(1)).toBe(false);
      clock.set(clock.now() + ms);
      expect(setback.mayPass(1)).toBe(true);
    }
  });

  it('forgets after a success', () => {
    const { setback } = make();
    setback.failed(1);
    setback.failed(1);
    setback.clear();
    expect(setback.mayPass(1)).toBe(true);
    expect(setback.failed(1)).toBe(1_000);
  });
});
