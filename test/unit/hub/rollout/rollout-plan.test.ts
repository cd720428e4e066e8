import { describe, expect, it } from 'vitest';
import {
  checkStart,
  makePlan,
  parsePlan,
  phaseSize,
  phaseSizes,
  planDefaults,
} from '../../../../hub/rollout/rollout-plan.ts';
import type { RolloutRequest } from '../../../../shared/api/rollout-plan.ts';

const request: RolloutRequest = { model: 'm', version: '1.0.0', phases: [{ percent: 10 }, { percent: 100 }] };

describe('makePlan()', () => {
  it('fills in the defaults, also inside gates and trial', () => {
    const plan = makePlan({ ...request, gates: { maxFailures: 0.2 }, trial: { seconds: 5 } });
    expect(plan.gates).toEqual({ ...planDefaults.gates, maxFailures: 0.2 });
    expect(plan.trial).toEqual({ ...planDefaults.trial, seconds: 5 });
    expect(plan.soakMs).toBe(600_000);
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  it.each<[string, Partial<RolloutRequest>, RegExp]>([
    ['phases that do not end at 100 %', { phases: [{ percent: 10 }, { percent: 50 }] }, /last phase is 50 %/],
    ['a last phase that counts devices', { phases: [{ devices: 3 }] }, /last phase is 3 devices/],
    [
      'percentages that fall',
      { phases: [{ percent: 50 }, { percent: 10 }, { percent: 100 }] },
      /phase 2 \(10 %\)/,
    ],
    ['a percentage twice', { phases: [{ percent: 100 }, { percent: 100 }] }, /phase 2 \(100 %\)/],
    [
      'counts that fall',
      { phases: [{ devices: 5 }, { devices: 2 }, { percent: 100 }] },
      /phase 2 \(2 devices\)/,
    ],
    [
      'a trial longer than a device has',
      { trial: { seconds: 60 }, deviceTimeoutMs: 60_000 },
      /a trial of 1m does not end within the 1m/,
    ],
    [
      'a soak that does not fit into the phase',
      { soakMs: 3_600_000, phaseTimeoutMs: 3_600_000 },
      /do not fit into the 1h that a phase has/,
    ],
  ])('refuses %s', (_, part, message) => {
    expect(() => makePlan({ ...request, ...part })).toThrow(
      expect.objectContaining({ code: 'rollout_plan_invalid', message: expect.stringMatching(message) }),
    );
  });
});

describe('checkStart()', () => {
  const now = Date.UTC(2027, 0, 31);

  it.each([undefined, now - 60_000, now, now + 300 * 86_400_000])('accepts a start at %s', (startAt) => {
    expect(() => checkStart(startAt === undefined ? {} : { startAt }, now)).not.toThrow();
  });

  it.each([
    ['seconds for milliseconds', Math.floor(now / 1_000) + 3_600, /in the past, at 1970-01-21T/],
    ['microseconds for milliseconds', now * 1_000, /ahead, at \+059052-/],
    ['yesterday', now - 86_400_000, /in the past, at 2027-01-30T00:00:00.000Z/],
    ['a time that no Date can hold', Number.MAX_SAFE_INTEGER, /ahead, at 9007199254740991 ms after 1970/],
  ])('refuses %s', (_, startAt, message) => {
    expect(() => checkStart({ startAt }, now)).toThrow(
      expect.objectContaining({ code: 'rollout_plan_invalid', message: expect.stringMatching(message) }),
    );
  });
});

describe('phaseSizes()', () => {
  it.each([
    [10, 100, 10],
    [10, 6, 1],
    [50, 6, 3],
    [50, 7, 4],
    [1, 1, 1],
    [7, 100, 7],
    [33.3, 1_000, 333],
    [100, 6, 6],
  ])('takes %d %% of %d devices as %d', (percent, devices, size) => {
    expect(phaseSize({ percent }, devices)).toBe(size);
  });

  it('uses a number of devices as given, and no more than there are', () => {
    const plan = makePlan({ ...request, phases: [{ devices: 1 }, { devices: 10 }, { percent: 100 }] });
    expect(phaseSizes(plan, 6)).toEqual([1, 6, 6]);
    expect(phaseSizes(plan, 60)).toEqual([1, 10, 60]);
  });

  it('refuses a percentage that is smaller than a count before it', () => {
    const plan = makePlan({ ...request, phases: [{ devices: 10 }, { percent: 10 }, { percent: 100 }] });
    expect(() => phaseSizes(plan, 50)).toThrow(
      expect.objectContaining({ code: 'rollout_plan_invalid', message: expect.stringMatching(/phase 2/) }),
    );
    expect(phaseSizes(plan, 200)).toEqual([10, 20, 200]);
  });

  it('refuses to wait for more completed devices than there are', () => {
    const plan = makePlan({ ...request, gates: { minCompleted: 7 } });
    expect(() => phaseSizes(plan, 6)).toThrow(/it waits for 7 completed devices, but the target has only 6/);
  });
});
