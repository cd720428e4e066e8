/**
 * The device's own verdict on a version in trial. Crashes count at once; the error rate needs `minRequests` first, so
 * that one bad request among three does not end a rollout. Time alone commits: a device nobody asks anything of would
 * otherwise stay in trial for ever; whether silence is enough for the fleet is the hub's gate (promise P5).
 */
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import type { TrialPlan } from '../../shared/protocol/desired-state.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import type { TrialFigures } from './update-record.ts';

export type TrialVerdict =
  | { readonly verdict: 'commit' }
  | { readonly verdict: 'roll-back'; readonly fault: UpdateFault }
  | { readonly verdict: 'go-on'; readonly leftMs: number };

export interface Trial {
  readonly plan: TrialPlan;
  readonly spentMs: number;
  readonly figures: TrialFigures;
  /** Code of the last error the version answered with, to name in the fault. */
  readonly lastError?: ErrorCode | undefined;
}

export function judgeTrial({ plan, spentMs, figures, lastError }: Trial): TrialVerdict {
  const last = lastError ? ` Last error: ${lastError}.` : '';
  if (figures.crashes > plan.maxCrashes) {
    const message = `The version crashed ${figures.crashes} times in its trial; at most ${plan.maxCrashes} are allowed.${last}`;
    return { verdict: 'roll-back', fault: { code: 'trial_crashed', message, retry: 'never' } };
  }
  const rate = figures.requests === 0 ? 0 : figures.failed / figures.requests;
  if (figures.requests >= plan.minRequests && rate > plan.maxErrorRate) {
    const message =
      `The version answered ${figures.failed} of ${figures.requests} requests with errors in its trial ` +
      `(${percent(rate)}); at most ${percent(plan.maxErrorRate)} are allowed.${last}`;
    return { verdict: 'roll-back', fault: { code: 'trial_error_rate', message, retry: 'never' } };
  }
  const leftMs = plan.seconds * 1_000 - spentMs;
  return leftMs <= 0 ? { verdict: 'commit' } : { verdict: 'go-on', leftMs };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
