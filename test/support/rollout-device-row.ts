import type { RolloutDevice } from '../../hub/rollout/device-progress.ts';

/** Device `n` of a rollout, `d<n>`, as the engine keeps it. */
export function rolloutDevice(ordinal: number, part: Partial<RolloutDevice> = {}): RolloutDevice {
  return {
    deviceId: `d${ordinal}`,
    ordinal,
    status: 'pending',
    assigned: false,
    sequence: null,
    previousVersion: null,
    offeredAt: null,
    changedAt: 0,
    lastReportedAt: null,
    revertedAt: null,
    revertOutcome: null,
    triedAt: null,
    fault: null,
    removedAt: null,
    ...part,
  };
}
