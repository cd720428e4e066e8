import { describe, expect, it } from 'vitest';
import { type GateInputs, judge } from '../../../../hub/rollout/gates.ts';
import { type DeviceRequests, requestFigures } from '../../../../hub/rollout/request-figures.ts';
import { planDefaults } from '../../../../hub/rollout/rollout-plan.ts';
import { limits } from '../../../../shared/base/limits.ts';

const t0 = 1_000_000;
const requests = (ok: number, failed = 0, refused = 0): DeviceRequests => ({ ok, failed, refused });
const most = limits.telemetryCountMax;

/** A phase that has ended, with an error gate of 5 % over 100 requests. */
function phase(devices: readonly DeviceRequests[], part: Partial<GateInputs> = {}): GateInputs {
  return {
    phase: 0,
    now: t0 + 20_000,
    phaseStartedAt: t0,
    soakMs: 10_000,
    phaseTimeoutMs: 60_000,
    rules: { ...planDefaults.gates, maxErrorRate: 0.05 },
    devices: devices.length,
    counts: { succeeded: devices.length },
    settledAt: t0,
    requests: requestFigures(devices, 100),
    drift: null,
    withdrawnReason: null,
    ...part,
  };
}
const verdictOf = (inputs: GateInputs) => {
  const { verdict, reasons } = judge(inputs);
  return [verdict, reasons[0]!.code];
};

describe('the error rate, one device one vote', () => {
  it('is the mean of the devices’ own rates where each contributes as much', () => {
    expect(requestFigures([requests(90, 10), requests(100), requests(98, 1, 1)], 100)).toEqual({
      ok: 288,
      failed: 11,
      refused: 1,
      devices: 3,
      withEvidence: 3,
      counted: 300,
      errorRate: 0.04,
    });
  });

  it('lets no flood of good answers of one device hide that two others fail', () => {
    const devices = [requests(50, 50), requests(50, 50), requests(most)];
    expect(verdictOf(phase(devices))).toEqual(['roll-back', 'error_rate_high']);
  });

  it('lets no flood of failures of one device weigh more than its one vote of many', () => {
    const good = Array.from({ length: 29 }, () => requests(200));
    const devices = [...good, requests(0, most)];
    expect(requestFigures(devices, 100).errorRate).toBeCloseTo(1 / 30, 10);
    expect(verdictOf(phase(devices))[0]).toBe('proceed');
  });

  it('does not roll back for the one failed request of a device that saw no other', () => {
    const devices = [...Array.from({ length: 9 }, () => requests(1_000)), requests(0, 1)];
    expect(requestFigures(devices, 100).errorRate).toBeCloseTo(1 / 9_001, 10);
    expect(verdictOf(phase(devices))[0]).toBe('proceed');
  });

  it('counts no more of one device towards the requests wanted than of the others', () => {
    const devices = [requests(40), requests(40), requests(most)];
    expect(requestFigures(devices, 200)).toMatchObject({ withEvidence: 1 });
    expect(requestFigures(devices, 100)).toMatchObject({ withEvidence: 3, counted: 120 });
  });

  it('waits while one device alone has evidence, whatever it shows', () => {
    for (const one of [requests(most), requests(0, most)]) {
      const devices = [requests(1), requests(1), one];
      expect(verdictOf(phase(devices))).toEqual(['inconclusive', 'too_few_devices']);
      expect(judge(phase(devices)).reasons[0]!.text).toMatch(
        /^1 of 3 devices have enough data to judge the error rate; 2 are required/,
      );
    }
  });

  it('suggests what to do about missing evidence, once no device is in flight', () => {
    const help = 'update agents that are older than the hub';
    for (const devices of [
      [requests(0), requests(0)],
      [requests(1), requests(100)],
    ]) {
      const settled = phase(devices);
      expect(judge(settled).reasons[0]!.text).toContain(help);
      expect(JSON.stringify(judge({ ...settled, settledAt: null }).reasons)).not.toContain(help);
    }
  });
});

describe('a comparison with nothing is never a pass (promise P5)', () => {
  const nothing: [string, GateInputs][] = [
    ['no figures at all', phase([requests(100), requests(100)], { requests: null })],
    ['no device', phase([], { counts: {}, settledAt: t0 })],
    ['zero requests of one device', phase([requests(0)])],
    ['zero requests of all devices', phase([requests(0), requests(0), requests(0)])],
    ['a rate that is NaN', phase([requests(Number.NaN), requests(100)])],
    [
      'a stored rate that is NaN',
      phase([], {
        devices: 2,
        counts: { succeeded: 2 },
        requests: { ...requestFigures([requests(100), requests(100)], 100), errorRate: Number.NaN },
      }),
    ],
    [
      'a number of devices that is NaN',
      phase([requests(100), requests(100)], {
        requests: { ...requestFigures([requests(100), requests(100)], 100), withEvidence: Number.NaN },
      }),
    ],
    [
      'a number of requests that is NaN',
      phase([requests(100), requests(100)], {
        requests: { ...requestFigures([requests(100), requests(100)], 100), counted: Number.NaN },
      }),
    ],
    ['a canary of one that saw too little', phase([requests(99)])],
    ['a canary of one that is silent', phase([requests(100)], { counts: { silent: 1 } })],
    ['a canary of one that was removed', phase([requests(100)], { devices: 0, counts: { removed: 1 } })],
    ['a canary of one that is unproven', phase([requests(100)], { counts: { unproven: 1 } })],
    ['a canary of one that is blocked', phase([requests(100)], { counts: { blocked: 1 } })],
    ['a canary of one whose offer was withdrawn', phase([requests(100)], { counts: { withdrawn: 1 } })],
  ];
  it.each(nothing)('%s', (_, inputs) => {
    expect(judge(inputs).verdict).toBe('inconclusive');
    const allowing = { ...inputs.rules, maxSilent: 1, maxUnproven: 1, maxFailures: 1 };
    expect(judge({ ...inputs, rules: allowing }).verdict).toBe('inconclusive');
  });

  it('all silent but one, though the plan allows any silence', () => {
    const rules = { ...planDefaults.gates, maxSilent: 1, maxUnproven: 1 };
    for (const counts of [
      { succeeded: 1, silent: 9 },
      { succeeded: 1, blocked: 9 },
      { succeeded: 1, unproven: 9 },
    ]) {
      const inputs = { ...phase([]), rules, devices: 10, counts };
      expect(verdictOf(inputs)).toEqual(['inconclusive', 'too_few_completed']);
      expect(judge(inputs).reasons[0]!.text).toMatch(
        /^1 of 10 devices completed .* 2 completed .*remove devices/,
      );
      // With a second one the plan decides.
      const two = { ...counts, succeeded: 2, silent: 8, blocked: 0, unproven: 0 };
      expect(judge({ ...inputs, counts: two }).verdict).toBe('proceed');
    }
  });

  it('a canary of one passes by its own proof alone: it succeeded, and saw all the requests wanted', () => {
    expect(judge(phase([requests(100)])).verdict).toBe('proceed');
  });

  const drift = { features: 2, withEvidence: 2, drifting: [], tooFew: [] };
  it.each<[string, GateInputs['drift']]>([
    ['no profile to compare with', null],
    ['a profile without inputs', { ...drift, features: 0 }],
    ['values of one device of three', { ...drift, withEvidence: 1 }],
    ['one device of three that drifts', { ...drift, withEvidence: 1, drifting: [{ name: 'f0', psi: 3 }] }],
    ['a feature with too few values', { ...drift, tooFew: ['f0'] }],
    ['a number of devices that is NaN', { ...drift, withEvidence: Number.NaN }],
    ['a number of features that is NaN', { ...drift, features: Number.NaN }],
  ])('drift: %s', (_, found) => {
    const rules = { ...planDefaults.gates, drift: 'roll-back' as const };
    const three = phase([requests(1), requests(1), requests(1)], { rules, drift: found });
    expect(judge(three).verdict).toBe('inconclusive');
    expect(judge({ ...three, drift }).verdict).toBe('proceed');
  });
});
