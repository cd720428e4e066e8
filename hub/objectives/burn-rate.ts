/**
 * Multi-window, multi-burn-rate alerting as "The Site Reliability Workbook" (O'Reilly 2018) has it in chapter 5, table 5-8. Pure.
 *
 * A burn rate of 1 spends the whole error budget of 30 days in 30 days. A rule holds while both of its windows burn faster than its
 * rate: the long one because the loss is worth a person's time, the short one so that the alert ends soon after the cause has.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What the burn rates refer to. */
export const budgetPeriodMs = 30 * DAY_MS;

export interface BurnRule {
  /** `fast` needs a person now, `slow` within days. */
  readonly speed: 'fast' | 'slow';
  readonly longMs: number;
  readonly shortMs: number;
  readonly rate: number;
}

export const burnRules: readonly BurnRule[] = [
  { speed: 'fast', longMs: HOUR_MS, shortMs: 5 * MINUTE_MS, rate: 14.4 },
  { speed: 'fast', longMs: 6 * HOUR_MS, shortMs: 30 * MINUTE_MS, rate: 6 },
  { speed: 'slow', longMs: 3 * DAY_MS, shortMs: 6 * HOUR_MS, rate: 1 },
];

/** Every window of the rules, shortest first. */
export const burnWindowsMs: readonly number[] = [
  ...new Set(burnRules.flatMap(({ longMs, shortMs }) => [longMs, shortMs])),
].sort((a, b) => a - b);

/** What was counted in a window: everything that the objective is about, and the part of it that missed the objective. */
export interface EventCounts {
  readonly all: number;
  readonly bad: number;
}

/** What a window must hold before it can say anything: one failed request of two is no outage. */
export interface BurnMinimum {
  /** In the long window. */
  readonly all: number;
  readonly bad: number;
}

export type CountsOf = (windowMs: number) => EventCounts;

/** How many times faster than allowed the budget is spent; 0 where nothing happened. `target` is below 1. */
export function burnRate({ all, bad }: EventCounts, target: number): number {
  return all === 0 ? 0 : bad / all / (1 - target);
}

/** The rules of this speed that hold. */
export function burningRules(
  speed: BurnRule['speed'],
  target: number,
  countsOf: CountsOf,
  minimum: BurnMinimum,
): readonly BurnRule[] {
  return burnRules.filter((rule) => {
    if (rule.speed !== speed) return false;
    const long = countsOf(rule.longMs);
    const short = countsOf(rule.shortMs);
    return (
      long.all >= minimum.all &&
      long.bad >= minimum.bad &&
      burnRate(long, target) > rule.rate &&
      burnRate(short, target) > rule.rate
    );
  });
}

/** Share of the error budget of a period that is left; below 0 when more was spent than there was. */
export function budgetLeft(counts: EventCounts, target: number): number {
  return 1 - burnRate(counts, target);
}
