import { describe, expect, it } from 'vitest';
import type { RolloutDevice } from '../../../../hub/rollout/device-progress.ts';
import { makePlan } from '../../../../hub/rollout/rollout-plan.ts';
import type { RolloutRecord } from '../../../../hub/rollout/rollout-store.ts';
import { describeRollout } from '../../../../hub/rollout/rollout-view.ts';
import { limits } from '../../../../shared/base/limits.ts';

const now = 1_000_000;
const record: RolloutRecord = {
  id: 'r-0011223344aa',
  plan: makePlan({ model: 'm', version: '2.0.0', phases: [{ percent: 100 }] }),
  status: 'rolling-back',
  progress: {
    phase: 0,
    startedAt: now,
    phaseStartedAt: now,
    endedAt: null,
    ending: null,
    reason: null,
    verdictKey: null,
  },
  createdAt: now,
  createdBy: 'token:olga',
  updatedAt: now,
};

function takenBack(ordinal: number, part: Partial<RolloutDevice> = {}): RolloutDevice {
  return {
    deviceId: `d${ordinal}`,
    ordinal,
    status: 'withdrawn',
    assigned: false,
    sequence: 3,
    previousVersion: '1.0.0',
    offeredAt: now,
    changedAt: now,
    lastReportedAt: now,
    revertedAt: now,
    revertOutcome: 'reverted',
    triedAt: null,
    fault: null,
    removedAt: null,
    ...part,
  };
}

describe('describeRollout()', () => {
  it('counts the outcomes of devices whose version was reverted, and names the awaited ones however many are reverted', () => {
    const devices = Array.from({ length: limits.rolloutDevicesNamedMax + 50 }, (_, n) => takenBack(n));
    const awaited = takenBack(devices.length, { revertedAt: null, revertOutcome: null });
    const observation = {
      now,
      connected: new Set<string>(),
      watchingSince: 0,
      downloads: new Map(),
    };
    const detail = describeRollout(record, [...devices, awaited], [], observation);
    expect(detail.revert).toEqual({ reverted: devices.length, pending: 1 });
    expect(detail.devices[0]).toMatchObject({ device: awaited.deviceId, revert: 'pending' });
    expect(describeRollout(record, [], [], observation).revert).toBeUndefined();
  });

  it('states how many devices and verdicts it leaves out, and nothing where it leaves out nothing', () => {
    const observation = { now, connected: new Set<string>(), watchingSince: 0, downloads: new Map() };
    const devices = Array.from({ length: limits.rolloutDevicesNamedMax + 3 }, (_, n) => takenBack(n));
    const verdicts = Array.from({ length: limits.rolloutVerdictsShownMax + 1 }, (_, n) => ({
      at: n,
      phase: 0,
      verdict: 'proceed' as const,
      reasons: [],
    }));
    const detail = describeRollout(record, devices, verdicts, observation);
    expect(detail.leftOut).toEqual({ devices: 3, olderVerdicts: true });
    expect(detail.verdicts).toHaveLength(limits.rolloutVerdictsShownMax);
    const all = describeRollout(record, devices.slice(3), verdicts.slice(1), observation);
    expect(all.leftOut).toBeUndefined();
  });
});
