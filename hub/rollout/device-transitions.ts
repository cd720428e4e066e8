/** A device of a rollout after the hub has sent it a statement, or could not. Pure. */
import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import type { RolloutDevice } from './device-progress.ts';
import { lastGoodVersion, type RollbackTarget } from './rollback-target.ts';

/** Its desired state names the version. */
export function offeredDevice(
  device: RolloutDevice,
  sent: {
    readonly sequence: number;
    /** What the device last reported of the model. */
    readonly entry: ReportedModel | undefined;
    /** The version it is offered. */
    readonly version: string;
    readonly now: number;
  },
): RolloutDevice {
  return {
    ...device,
    status: 'offered',
    assigned: true,
    sequence: sent.sequence,
    previousVersion: versionBefore(device, sent),
    offeredAt: sent.now,
    changedAt: sent.now,
    lastReportedAt: null,
    revertedAt: null,
    revertOutcome: null,
    triedAt: null,
    fault: null,
  };
}

/**
 * What the device ran before the rollout. A device that was offered the version earlier may have committed it meanwhile; that does
 * not make it the version before.
 */
function versionBefore(
  { offeredAt, previousVersion }: RolloutDevice,
  { entry, version }: { readonly entry: ReportedModel | undefined; readonly version: string },
): string | null {
  const lastGood = lastGoodVersion(entry);
  const isChange = lastGood !== undefined && (lastGood !== version || offeredAt === null);
  return isChange ? lastGood : previousVersion;
}

/** Its statement could not be made: no fault of the version, and retried periodically. */
export function blockedDevice(device: RolloutDevice, fault: UpdateFault, now: number): RolloutDevice {
  const isChange = device.status !== 'blocked';
  return {
    ...device,
    status: 'blocked',
    changedAt: isChange ? now : device.changedAt,
    triedAt: now,
    fault,
  };
}

/** Statuses that a withdrawn offer does not change: how the device failed matters more than the withdrawal. */
const keptStatuses: ReadonlySet<RolloutDevice['status']> = new Set(['failed', 'rejected', 'rolled-back']);

/** Its desired state names the rollback target, or nothing of the model. */
export function revertedDevice(
  { device, target, outcome }: RollbackTarget<RolloutDevice>,
  sent: { readonly sequence: number | undefined; readonly version: string; readonly now: number },
): RolloutDevice {
  const isKept = keptStatuses.has(device.status);
  return {
    ...device,
    status: isKept ? device.status : 'withdrawn',
    assigned: false,
    sequence: sent.sequence ?? device.sequence,
    previousVersion: target?.version ?? (outcome === 'unchanged' ? sent.version : null),
    changedAt: isKept ? device.changedAt : sent.now,
    revertedAt: outcome === null ? null : sent.now,
    revertOutcome: outcome,
    triedAt: null,
    fault: isKept || device.triedAt === null ? device.fault : null,
  };
}

/** Its statement could not be made, so it still names the version. Retried until the device would be too late. */
export function notSentDevice(
  device: RolloutDevice,
  fault: UpdateFault,
  { now, plan }: { readonly now: number; readonly plan: Pick<RolloutPlan, 'deviceTimeoutMs'> },
): RolloutDevice {
  const since = device.triedAt === null ? now : device.changedAt;
  const isGivenUp = now >= since + plan.deviceTimeoutMs;
  const isKept = keptStatuses.has(device.status);
  return {
    ...device,
    assigned: !isGivenUp,
    changedAt: since,
    triedAt: now,
    fault: isKept ? device.fault : fault,
    ...(isGivenUp
      ? { status: isKept ? device.status : 'withdrawn', revertedAt: now, revertOutcome: 'not-sent' }
      : {}),
  };
}
