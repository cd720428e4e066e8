import { describe, expect, it } from 'vitest';
import { type GateInputs, judge } from '../../../../hub/rollout/gates.ts';
import { requestFigures } from '../../../../hub/rollout/request-figures.ts';
import { planDefaults } from '../../../../hub/rollout/rollout-plan.ts';

const t0 = 1_000_000;
/** Requests that two devices share equally. */
const shared = ({ ok, failed, refused = 0 }: { ok: number; failed: number; refused?: number }) => {
  const half = { ok: ok / 2, failed: failed / 2, refused: refused / 2 };
  return requestFigures([half, half], planDefaults.gates.minRequests);
};
/** Ten devices, all succeeded, soaked. */
const good: GateInputs = {
  phase: 0,
  now: t0 + 20_000,
  phaseStartedAt: t0,
  soakMs: 10_000,
  phaseTimeoutMs: 60_000,
  rules: { ...planDefaults.gates, maxFailures: 0.1 },
  devices: 10,
  counts: { succeeded: 10 },
  settledAt: t0 + 5_000,
  requests: null,
  drift: null,
  withdrawnReason: null,
};
const withRules = (rules: Partial<GateInputs['rules']>): GateInputs => ({
  ...good,
  rules: { ...good.rules, ...rules },
});
const drifting = { withEvidence: 10, features: 8, drifting: [{ name: 'no2', psi: 0.31 }], tooFew: [] };
const verdictOf = (inputs: GateInputs) => {
  const { verdict, reasons } = judge(inputs);
  return [verdict, reasons[0]!.code];
};

describe('judge()', () => {
  it('proceeds when every device succeeded and the soak has passed', () => {
    expect(judge(good)).toEqual({
      verdict: 'proceed',
      reasons: [
        {
          code: 'failures_within_limit',
          verdict: 'proceed',
          text: '0 of 10 completed devices failed (at most 10 %)',
        },
        { code: 'soaked', verdict: 'proceed', text: 'watched for 10s' },
      ],
    });
  });

  it.each<[string, Partial<GateInputs>, string, string]>([
    [
      'devices are in flight',
      { settledAt: null, counts: { succeeded: 9, trial: 1 } },
      'inconclusive',
      'devices_under_way',
    ],
    ['the soak runs', { now: t0 + 14_999 }, 'inconclusive', 'soaking'],
    ['the soak has just passed', { now: t0 + 15_000 }, 'proceed', 'failures_within_limit'],
    [
      'failures are at the limit',
      { counts: { succeeded: 9, failed: 1 } },
      'proceed',
      'failures_within_limit',
    ],
    [
      'failures are over the limit',
      { counts: { succeeded: 8, failed: 1, rejected: 1 } },
      'roll-back',
      'too_many_failures',
    ],
    [
      'devices rolled themselves back',
      { counts: { succeeded: 8, 'rolled-back': 2 } },
      'roll-back',
      'too_many_failures',
    ],
    ['devices timed out', { counts: { succeeded: 8, 'timed-out': 2 } }, 'roll-back', 'too_many_failures'],
    ['half is silent', { counts: { succeeded: 5, silent: 5 } }, 'proceed', 'failures_within_limit'],
    ['more than half is silent', { counts: { succeeded: 4, silent: 6 } }, 'inconclusive', 'too_many_silent'],
    ['half is blocked', { counts: { succeeded: 5, blocked: 5 } }, 'proceed', 'failures_within_limit'],
    [
      'more than half is silent or blocked',
      { counts: { succeeded: 4, silent: 3, blocked: 3 } },
      'inconclusive',
      'too_many_silent',
    ],
    ['all are silent', { counts: { silent: 10 } }, 'inconclusive', 'too_few_completed'],
    ['nothing is known of any device', { counts: {} }, 'inconclusive', 'too_few_completed'],
    [
      'one saw too few requests',
      { counts: { succeeded: 9, unproven: 1 } },
      'inconclusive',
      'too_many_unproven',
    ],
    ['all saw too few requests', { counts: { unproven: 10 } }, 'inconclusive', 'too_few_completed'],
    ['the version was withdrawn', { withdrawnReason: 'wrong units' }, 'roll-back', 'version_withdrawn'],
  ])('when %s', (_, part, verdict, code) => {
    expect(verdictOf({ ...good, ...part })).toEqual([verdict, code]);
  });

  it('counts failures against completed devices, not against silent ones', () => {
    const counts = { succeeded: 5, failed: 1, silent: 4 };
    expect(judge({ ...good, counts }).reasons[0]!.text).toBe(
      '1 of 6 completed devices failed (16.67 %, at most 10 %)',
    );
  });

  it('does not wait for the rest when the failures are too many whatever the rest does', () => {
    const counts = { succeeded: 0, failed: 2, trial: 8 };
    expect(verdictOf({ ...good, counts, settledAt: null })).toEqual(['roll-back', 'too_many_failures']);
    const one = { succeeded: 0, failed: 1, trial: 9 };
    expect(verdictOf({ ...good, counts: one, settledAt: null })).toEqual([
      'inconclusive',
      'devices_under_way',
    ]);
  });

  it('judges the share of completed devices early once the required minimum has completed', () => {
    const inputs = { ...withRules({ minCompleted: 4 }), settledAt: null };
    expect(verdictOf({ ...inputs, counts: { succeeded: 3, failed: 1, trial: 6 } })[0]).toBe('roll-back');
    expect(verdictOf({ ...inputs, counts: { succeeded: 2, failed: 1, trial: 7 } })[0]).toBe('inconclusive');
  });

  it('stops a first phase of one device on its one failure', () => {
    expect(verdictOf({ ...good, devices: 1, counts: { 'rolled-back': 1 } })[0]).toBe('roll-back');
  });

  it('never passes a phase without a success, even when every failure is allowed', () => {
    expect(verdictOf({ ...withRules({ maxFailures: 1 }), counts: { failed: 10 } })).toEqual([
      'inconclusive',
      'too_few_completed',
    ]);
  });

  it.each([
    [null, 'inconclusive'],
    [{ ok: 0, failed: 0 }, 'inconclusive'],
    [{ ok: 90, failed: 9 }, 'inconclusive'],
    [{ ok: 95, failed: 5 }, 'proceed'],
    [{ ok: 94, failed: 6 }, 'roll-back'],
  ] as const)('with an error gate of 5 %% over 100 requests, %j is %s', (requests, verdict) => {
    expect(
      judge({ ...withRules({ maxErrorRate: 0.05 }), requests: requests && shared(requests) }).verdict,
    ).toBe(verdict);
  });

  it('lets as many devices stay unproven as the plan allows, and names the flags otherwise', () => {
    const counts = { succeeded: 8, unproven: 2 };
    expect(judge({ ...withRules({ maxUnproven: 0.2 }), counts }).verdict).toBe('proceed');
    expect(judge({ ...withRules({ maxUnproven: 0.1 }), counts }).reasons[0]!.text).toBe(
      '2 of 10 devices run the version unproven because they had too few requests (at most 10 %); send them requests, or plan with ' +
        '--trial-min-requests 0 to let time alone decide, or allow more with --max-unproven',
    );
  });

  it('reports how many devices wait for requests, while it waits for them', () => {
    const inputs = { ...good, counts: { succeeded: 7, trial: 3 }, settledAt: null, awaitingRequests: 2 };
    expect(judge(inputs).reasons.map(({ code }) => code)).toEqual([
      'devices_under_way',
      'trials_awaiting_requests',
    ]);
    expect(judge(inputs).reasons[1]!.text).toMatch(/^2 of them .*--trial-min-requests 0/);
  });

  it('counts requests refused for their tensors as failed, and names them', () => {
    const inputs = {
      ...withRules({ maxErrorRate: 0.05 }),
      requests: shared({ ok: 90, failed: 2, refused: 8 }),
    };
    expect(judge(inputs)).toMatchObject({
      verdict: 'roll-back',
      reasons: [
        {
          code: 'error_rate_high',
          text: '10 of 100 requests failed, 8 of them refused because of tensors that the version before accepts (10 % as the mean over devices, at most 5 %)',
        },
        {},
        {},
      ],
    });
  });

  it('stops for errors in service before the devices are done', () => {
    const inputs = { ...withRules({ maxErrorRate: 0.05 }), requests: shared({ ok: 50, failed: 50 }) };
    expect(verdictOf({ ...inputs, settledAt: null, counts: { trial: 10 } })).toEqual([
      'roll-back',
      'error_rate_high',
    ]);
  });

  it('ignores figures that the plan does not need', () => {
    expect(judge({ ...good, requests: shared({ ok: 0, failed: 100 }), drift: drifting }).verdict).toBe(
      'proceed',
    );
  });

  it('names the features that drift, and does what the plan defines', () => {
    expect(judge({ ...withRules({ drift: 'hold' }), drift: drifting })).toMatchObject({
      verdict: 'hold',
      reasons: [{ code: 'drift_found', text: '1 of 8 features drift (at most 0 %): no2 (PSI 0.31)' }, {}, {}],
    });
    expect(judge({ ...withRules({ drift: 'roll-back' }), drift: drifting }).verdict).toBe('roll-back');
    expect(judge({ ...withRules({ drift: 'hold', maxDriftShare: 0.2 }), drift: drifting }).verdict).toBe(
      'proceed',
    );
  });

  it('names a way out with every reason that time alone does not end', () => {
    const judgements: [string, GateInputs, RegExp][] = [
      ['no_drift_figures', withRules({ drift: 'hold' }), /; send them requests/],
      [
        'too_few_for_drift',
        {
          ...withRules({ drift: 'hold' }),
          drift: { withEvidence: 10, features: 8, drifting: [], tooFew: ['co'] },
        },
        /; send them requests/,
      ],
      ['too_few_requests', withRules({ maxErrorRate: 0.1 }), /; send them requests/],
      ['too_many_silent', { ...good, counts: { succeeded: 4, silent: 6 } }, /; bring them back/],
      ['too_few_completed', { ...good, counts: { silent: 10 } }, /; remove devices/],
      ['too_many_unproven', { ...good, counts: { succeeded: 1, unproven: 9 } }, /; send them requests/],
      [
        'time_limit',
        { ...good, now: t0 + 60_000, settledAt: null, counts: { offered: 10 } },
        /; "modelfleet rollout resume"/,
      ],
    ];
    for (const [code, inputs, way] of judgements) {
      expect(judge(inputs).reasons.find((reason) => reason.code === code)?.text, code).toMatch(way);
    }
  });

  it('does not pass a drift gate without data', () => {
    const asked = withRules({ drift: 'hold' });
    expect(verdictOf(asked)).toEqual(['inconclusive', 'no_drift_figures']);
    const none = { withEvidence: 10, features: 0, drifting: [], tooFew: [] };
    expect(verdictOf({ ...asked, drift: none })).toEqual(['inconclusive', 'no_drift_figures']);
    const few = { withEvidence: 10, features: 8, drifting: [], tooFew: ['co'] };
    expect(verdictOf({ ...asked, drift: few })).toEqual(['inconclusive', 'too_few_for_drift']);
  });

  it('holds a phase that has not ended well in its time, with what it waits for', () => {
    const late = { ...good, now: t0 + 60_000, settledAt: null, counts: { succeeded: 9, offered: 1 } };
    expect(judge(late).verdict).toBe('hold');
    expect(judge(late).reasons.map((reason) => reason.code)).toEqual(['time_limit', 'devices_under_way']);
    expect(judge({ ...late, now: late.now - 1 }).verdict).toBe('inconclusive');
  });

  it('passes a phase that ends well in the last moment', () => {
    expect(judge({ ...good, now: t0 + 60_000 }).verdict).toBe('proceed');
  });

  it('gives the same verdict for inputs that were stored', () => {
    const inputs = {
      ...withRules({ drift: 'hold', maxErrorRate: 0.05 }),
      requests: shared({ ok: 95, failed: 5 }),
      drift: drifting,
    };
    expect(judge(JSON.parse(JSON.stringify(inputs)) as GateInputs)).toEqual(judge(inputs));
  });
});
