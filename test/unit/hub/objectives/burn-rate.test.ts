import { describe, expect, it } from 'vitest';
import {
  budgetLeft,
  budgetPeriodMs,
  burningRules,
  burnRate,
  burnRules,
  burnWindowsMs,
  type EventCounts,
} from '../../../../hub/objectives/burn-rate.ts';

const minute = 60_000;
const hour = 60 * minute;
const target = 0.999;
const minimum = { all: 30, bad: 5 };

/** A service of 1,000 requests a minute that fails for its last `badMs` at this share. */
function failing(share: number, badMs: number) {
  return (windowMs: number): EventCounts => ({
    all: (1_000 * windowMs) / minute,
    bad: (share * 1_000 * Math.min(windowMs, badMs)) / minute,
  });
}

const speedsOf = (countsOf: (windowMs: number) => EventCounts) =>
  (['fast', 'slow'] as const).filter((speed) => burningRules(speed, target, countsOf, minimum).length > 0);

describe('burn rates', () => {
  it('spends in the long window the share of the budget that table 5-8 of the workbook has', () => {
    const spent = burnRules.map(({ rate, longMs }) => (rate * longMs) / budgetPeriodMs);
    expect(spent.map((share) => Number(share.toFixed(6)))).toEqual([0.02, 0.05, 0.1]);
  });

  it('has short windows of a twelfth of the long ones', () => {
    expect(burnRules.map(({ longMs, shortMs }) => longMs / shortMs)).toEqual([12, 12, 12]);
    expect(burnWindowsMs.map((ms) => ms / minute)).toEqual([5, 30, 60, 360, 4_320]);
  });

  it.each([
    // Table 5-4 of the workbook: a rate for 30 days and the time until the budget is spent.
    [1, 0.001],
    [2, 0.002],
    [10, 0.01],
    [1_000, 1],
  ])('a burn rate of %f is an error rate of %f with a target of 99.9 %%', (rate, share) => {
    expect(burnRate({ all: 100_000, bad: share * 100_000 }, target)).toBeCloseTo(rate, 9);
  });

  it('is 0 where nothing was asked', () => {
    expect(burnRate({ all: 0, bad: 0 }, target)).toBe(0);
  });

  it.each([
    // A complete outage has spent 14.4 times the budget of an hour after 14.4 × 0.001 × 1 h = 52 s.
    ['a complete outage pages within a minute', 1, 0.87 * minute, ['fast']],
    ['and not after half of that', 1, 0.4 * minute, []],
    ['an error rate of 10 % pages within nine minutes', 0.1, 8.7 * minute, ['fast']],
    ['an error rate of 1 % for an hour does not page', 0.01, hour, []],
    ['an error rate of 1 % for four hours pages', 0.01, 4 * hour, ['fast']],
    ['an error rate of 0.2 % makes a ticket after two days', 0.002, 37 * hour, ['slow']],
    ['an error rate just below the budget never alarms', 0.00099, 100 * hour, []],
  ])('%s', (_, share, badMs, speeds) => {
    expect(speedsOf(failing(share, badMs))).toEqual(speeds);
  });

  it('ends a page minutes after the cause has ended, although the hour still remembers it', () => {
    const ended = (windowMs: number): EventCounts => ({
      all: (1_000 * windowMs) / minute,
      bad: windowMs <= 5 * minute ? 0 : 20_000,
    });
    expect(burnRate(ended(hour), target)).toBeGreaterThan(14.4);
    expect(burningRules('fast', target, ended, minimum).map(({ longMs }) => longMs / hour)).toEqual([6]);
    const later = (windowMs: number): EventCounts => ({
      ...ended(windowMs),
      bad: windowMs > hour ? 20_000 : 0,
    });
    expect(burningRules('fast', target, later, minimum)).toEqual([]);
  });

  it('does not page for one failed request of two, nor for four of a hundred', () => {
    expect(speedsOf(() => ({ all: 2, bad: 1 }))).toEqual([]);
    expect(speedsOf(() => ({ all: 100, bad: 4 }))).toEqual([]);
    expect(speedsOf(() => ({ all: 29, bad: 29 }))).toEqual([]);
    expect(speedsOf(() => ({ all: 100, bad: 5 }))).toEqual(['fast', 'slow']);
  });

  it('has left what was not spent of the budget, and less than nothing when more was', () => {
    expect(budgetLeft({ all: 100_000, bad: 25 }, target)).toBeCloseTo(0.75, 9);
    expect(budgetLeft({ all: 100_000, bad: 150 }, target)).toBeCloseTo(-0.5, 9);
    expect(budgetLeft({ all: 0, bad: 0 }, target)).toBe(1);
  });
});
