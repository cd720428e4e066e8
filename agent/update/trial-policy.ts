/**
 * The device's own verdict on a version in trial. Crashes count at once, and so do failures, by a bound that holds
 * however often it is looked at (failure-evidence.ts): three failures of three end a trial, one of three does not. When
 * the time is over, a version stays only with the requests the plan asks for and a share of failures within its limit:
 * nothing seen is not a pass (promise P5). A device that nobody asks goes on trying; the hub says of it that it is
 * unproven, and a plan whose `minRequests` is 0 lets time alone commit what failures do not prove bad.
 */
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import { asksForRequests, type TrialPlan } from '../../shared/protocol/desired-state.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import { provesTooManyFailures, trialLevel } from './failure-evidence.ts';
import type { TrialFigures } from './update-record.ts';

export type TrialVerdict =
  | { readonly verdict: 'commit' }
  | { readonly verdict: 'roll-back'; readonly fault: UpdateFault }
  /** `leftMs` is 0 when the time is over and only requests can decide. */
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
  const counted = countedRequests(plan, figures);
  if (provesTooManyFailures(counted, plan.maxErrorRate)) {
    const proof = `; so many fail by chance in fewer than ${percent(trialLevel)} of such trials`;
    return { verdict: 'roll-back', fault: failureFault(plan, figures, proof, last) };
  }
  const leftMs = plan.seconds * 1_000 - spentMs;
  if (leftMs > 0) return { verdict: 'go-on', leftMs };
  if (!asksForRequests(plan)) return { verdict: 'commit' };
  if (counted.requests < plan.minRequests) return { verdict: 'go-on', leftMs: 0 };
  if (counted.failed <= plan.maxErrorRate * counted.requests) return { verdict: 'commit' };
  return { verdict: 'roll-back', fault: failureFault(plan, figures, '', last) };
}

/**
 * Requests that speak for or against the version. One that it refused and the version before took is a failure, unless
 * the plan allows a breaking change of the interface: then it says nothing.
 */
function countedRequests(plan: TrialPlan, { requests, failed, refused = 0 }: TrialFigures) {
  const counts = plan.breaking ? 0 : refused;
  return { requests: requests + counts, failed: failed + counts };
}

function failureFault(plan: TrialPlan, figures: TrialFigures, proof: string, last: string): UpdateFault {
  const { failed, refused = 0 } = figures;
  const counted = countedRequests(plan, figures);
  const share = percent(counted.failed / counted.requests);
  const limit = `at most ${percent(plan.maxErrorRate)} are allowed${proof}.`;
  if (!plan.breaking && refused > failed) {
    const message =
      `The version refused the tensors of ${refused} of ${counted.requests} requests in its trial that the version before ` +
      `accepts, and ${failed} more failed (${share}); ${limit}`;
    return { code: 'trial_requests_refused', message, retry: 'never' };
  }
  const also = counted.failed === failed ? '' : `, ${refused} of them refused for their tensors,`;
  const message =
    `The version answered ${counted.failed} of ${counted.requests} requests with errors in its trial${also} ` +
    `(${share}); ${limit}${last}`;
  return { code: 'trial_error_rate', message, retry: 'never' };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
