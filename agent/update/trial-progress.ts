/** A trial so far: what the journal knew when this life of the agent began, and what has come since. Pure. */
import type { ServedFigures } from '../serving/served-model.ts';
import type { Situation } from './update-planner.ts';
import type { Attempt } from './update-record.ts';

export function trialSoFar(
  { trialBefore: before, trialSpentMs }: Attempt,
  now: ServedFigures | undefined,
  elapsedMs: number,
): NonNullable<Situation['trial']> {
  const figures = {
    requests: before.requests + (now?.requests ?? 0),
    failed: before.failed + (now?.failed ?? 0),
    crashes: before.crashes + (now?.crashes ?? 0),
    refused: (before.refused ?? 0) + (now?.refused ?? 0),
  };
  return { figures, spentMs: trialSpentMs + elapsedMs, ...(now?.lastError && { lastError: now.lastError }) };
}

/** A trial as the journal keeps it. */
export function trialFields({
  figures,
  spentMs,
}: NonNullable<Situation['trial']>): Pick<Attempt, 'trialBefore' | 'trialSpentMs'> {
  return { trialBefore: figures, trialSpentMs: spentMs };
}
