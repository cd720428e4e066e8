/**
 * At what level counts are read of which nobody asks for a single reading: closed hours and closed days, for ever. Their counts do not
 * change any more, so that each is one test however often it is read. Bonferroni's inequality over the hours and days of a year, which asks
 * nothing of how these depend on each other: of versions without drift one in a hundred has an alarm within a year.
 */
import { dayMs, hourMs } from '../telemetry/rollups/spans.ts';
import { driftRule } from './drift-rule.ts';

const yearMs = 365 * dayMs;

/** A span of the clock that is judged once it is over: short ones find a sudden change soon, long ones a change in few rows. */
export interface ClosedSpan {
  readonly name: 'hour' | 'day';
  readonly spanMs: number;
  /** Chance of any false alarm over the features in one such span. */
  readonly level: number;
}

const spans = [
  { name: 'hour', spanMs: hourMs },
  { name: 'day', spanMs: dayMs },
] as const;

export const closedSpans: readonly ClosedSpan[] = spans.map((span) => ({
  ...span,
  level: (driftRule.level * span.spanMs) / yearMs / spans.length,
}));
