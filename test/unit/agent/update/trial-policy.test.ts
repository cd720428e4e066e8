import { describe, expect, it } from 'vitest';
import { judgeTrial } from '../../../../agent/update/trial-policy.ts';
import type { TrialFigures } from '../../../../agent/update/update-record.ts';
import type { TrialPlan } from '../../../../shared/protocol/desired-state.ts';

const plan: TrialPlan = { seconds: 60, minRequests: 20, maxErrorRate: 0.1, maxCrashes: 1 };
const over = 60_000;

function judge(figures: Partial<TrialFigures>, more: Partial<TrialPlan> = {}, spentMs = over) {
  const all = { requests: 0, failed: 0, crashes: 0, ...figures };
  return judgeTrial({ plan: { ...plan, ...more }, spentMs, figures: all });
}

describe('the judge of a trial', () => {
  it('commits with the requests asked for and few enough failures, when the time is over', () => {
    expect(judge({ requests: 20, failed: 2 })).toEqual({ verdict: 'commit' });
    expect(judge({ requests: 20 }, {}, 59_000)).toEqual({ verdict: 'go-on', leftMs: 1_000 });
  });

  it('goes back when fifteen of fifteen requests failed, though twenty are asked for', () => {
    const verdict = judge({ requests: 15, failed: 15 });
    expect(verdict).toMatchObject({ verdict: 'roll-back', fault: { code: 'trial_error_rate' } });
    expect(JSON.stringify(verdict)).toContain('15 of 15 requests');
    expect(judge({ requests: 15, failed: 15 }, {}, 1_000)).toMatchObject({ verdict: 'roll-back' });
  });

  it('takes silence for no pass: with too few requests the trial goes on after its time', () => {
    expect(judge({})).toEqual({ verdict: 'go-on', leftMs: 0 });
    expect(judge({ requests: 19 })).toEqual({ verdict: 'go-on', leftMs: 0 });
    expect(judge({ requests: 3, failed: 1 })).toEqual({ verdict: 'go-on', leftMs: 0 });
  });

  it('lets time alone commit when the plan asks for no requests, but not what failures prove bad', () => {
    expect(judge({}, { minRequests: 0 })).toEqual({ verdict: 'commit' });
    expect(judge({ requests: 3, failed: 1 }, { minRequests: 0 })).toEqual({ verdict: 'commit' });
    expect(judge({ requests: 3, failed: 3 }, { minRequests: 0 })).toMatchObject({ verdict: 'roll-back' });
  });

  it('waits for no requests where every share of failures is allowed: they could prove nothing', () => {
    expect(judge({}, { minRequests: 1, maxErrorRate: 1 })).toEqual({ verdict: 'commit' });
  });

  it('goes back at the end when more failed than the plan allows, proof or not', () => {
    expect(judge({ requests: 20, failed: 3 }, {}, 1_000)).toMatchObject({ verdict: 'go-on' });
    expect(judge({ requests: 20, failed: 3 })).toMatchObject({ verdict: 'roll-back' });
  });

  it('goes back when it refuses what the version before takes', () => {
    const verdict = judge({ refused: 329, requests: 13 }, {}, 5_000);
    expect(verdict).toMatchObject({ verdict: 'roll-back', fault: { code: 'trial_requests_refused' } });
    expect(JSON.stringify(verdict)).toContain('329 of 342 requests');
    expect(judge({ refused: 10, requests: 10 })).toMatchObject({ verdict: 'roll-back' });
  });

  it('counts failures and refusals together, and names the greater part', () => {
    expect(judge({ requests: 97, failed: 8, refused: 3 })).toMatchObject({
      verdict: 'roll-back',
      fault: { code: 'trial_error_rate', message: expect.stringContaining('11 of 100') },
    });
  });

  it('holds refusals against no version whose interface was changed on purpose', () => {
    expect(judge({ refused: 300, requests: 20 }, { breaking: true })).toEqual({ verdict: 'commit' });
    expect(judge({ refused: 300, requests: 19 }, { breaking: true })).toMatchObject({ verdict: 'go-on' });
  });
});
