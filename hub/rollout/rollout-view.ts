/** A rollout as REST shows it. */
import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import type {
  DeviceStatus,
  RevertCounts,
  RevertStatus,
  Rollout,
  RolloutDevice as RolloutDeviceView,
  RolloutSummary,
} from '../../shared/api/rollouts.ts';
import { limits } from '../../shared/base/limits.ts';
import { type FleetObservation, isFailure, type RolloutDevice, statusAt } from './device-progress.ts';
import { isPresent, phaseOfEach } from './phase-members.ts';
import { phaseSizesNow, phaseText } from './rollout-plan.ts';
import { countStatuses } from './rollout-planner.ts';
import type { RolloutRecord, StoredVerdict } from './rollout-store.ts';

export function summarizeRollout({
  id,
  plan,
  status,
  progress,
  createdAt,
  createdBy,
}: RolloutRecord): RolloutSummary {
  return {
    id,
    model: plan.model,
    version: plan.version,
    ...(plan.group === undefined ? {} : { group: plan.group }),
    status,
    ...(progress.reason === null ? {} : { reason: progress.reason }),
    phase: progress.phase + 1,
    phases: plan.phases.length,
    createdAt,
    createdBy,
    ...(progress.startedAt === null ? {} : { startedAt: progress.startedAt }),
    ...(progress.endedAt === null ? {} : { endedAt: progress.endedAt }),
  };
}

/** `stored`: the newest verdicts, one more than are shown where there are more. */
export function describeRollout(
  record: RolloutRecord,
  devices: readonly RolloutDevice[],
  stored: readonly Pick<StoredVerdict, 'at' | 'phase' | 'verdict' | 'reasons'>[],
  observation: FleetObservation,
): Rollout {
  const { plan, status, progress } = record;
  const present = devices.filter(isPresent);
  const sizes = phaseSizesNow(plan, present.length);
  const named = nameDevices(devices, plan, observation);
  const leftOut = {
    devices: Math.max(0, named.length - limits.rolloutDevicesNamedMax),
    olderVerdicts: stored.length > limits.rolloutVerdictsShownMax,
  };
  const isRunning = status === 'running' || status === 'paused';
  return {
    ...summarizeRollout(record),
    plan,
    phaseList: plan.phases.map((phase, index) => ({
      size: phaseText(phase),
      devices: sizes[index]!,
      state:
        index < progress.phase || status === 'completed'
          ? 'done'
          : index === progress.phase && isRunning
            ? 'current'
            : 'waiting',
    })),
    target: present.length,
    counts: countStatuses(devices, plan, observation),
    ...(devices.some(isReverted) ? { revert: countReverts(devices) } : {}),
    devices: named.slice(0, limits.rolloutDevicesNamedMax),
    verdicts: stored.slice(0, limits.rolloutVerdictsShownMax).map(({ at, phase, verdict, reasons }) => ({
      at,
      phase: phase + 1,
      verdict,
      reasons: [...reasons],
    })),
    ...(leftOut.devices > 0 || leftOut.olderVerdicts ? { leftOut } : {}),
  };
}

/** An offer that was withdrawn, or an end that reverts the version; the hub may have failed to. */
function isReverted({ assigned, status, offeredAt, triedAt }: RolloutDevice): boolean {
  return status !== 'pending' && offeredAt !== null && (!assigned || triedAt !== null);
}

function revertStatusOf({ assigned, revertedAt, revertOutcome, removedAt }: RolloutDevice): RevertStatus {
  if (removedAt !== null) return 'removed';
  if (assigned) return 'not-sent';
  return revertedAt === null ? 'pending' : (revertOutcome ?? 'reverted');
}

function countReverts(devices: readonly RolloutDevice[]): RevertCounts {
  const counts: RevertCounts = {};
  for (const device of devices.filter(isReverted)) {
    const outcome = revertStatusOf(device);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

function rankOf(device: RolloutDevice, status: DeviceStatus): number {
  if (isFailure(status)) return 0;
  if (status === 'silent' || status === 'blocked' || status === 'unproven') return 1;
  return isReverted(device) && revertStatusOf(device) === 'reverted' ? 3 : 2;
}

/** Devices in the order of interest: failed, silent and unproven, in flight or not yet reverted, reverted. */
function nameDevices(
  devices: readonly RolloutDevice[],
  plan: RolloutPlan,
  observation: FleetObservation,
): Rollout['devices'] {
  const phases = phaseOfEach({ plan, devices });
  return devices
    .map((device) => ({
      device,
      ...statusAt(device, plan, observation),
    }))
    .map((entry) => ({ ...entry, rank: rankOf(entry.device, entry.status) }))
    .filter(
      ({ device, status }) => status !== 'pending' && (status !== 'succeeded' || device.triedAt !== null),
    )
    .sort((a, b) => a.rank - b.rank || a.device.ordinal - b.device.ordinal)
    .map(({ device, ...state }) => describeState(device, state, phases.get(device.deviceId)));
}

/** `phase` is 0-based. */
function describeState(
  device: RolloutDevice,
  { status, endedAt }: ReturnType<typeof statusAt>,
  phase: number | undefined,
): Rollout['devices'][number] {
  return {
    device: device.deviceId,
    status,
    ...(phase === undefined ? {} : { phase: phase + 1 }),
    since: endedAt ?? device.changedAt,
    ...(device.previousVersion === null ? {} : { previousVersion: device.previousVersion }),
    ...(isReverted(device) ? { revert: revertStatusOf(device) } : {}),
    ...(device.fault === null ? {} : { fault: device.fault }),
  };
}

/** Some of the devices of a rollout, which follow one another in its order. */
export interface DeviceRun {
  readonly devices: readonly RolloutDevice[];
  /** Of all its devices, those that are still devices of the hub, and how many of them come before the first of these. */
  readonly present: { readonly total: number; readonly before: number };
}

export function describeDevices(
  plan: RolloutPlan,
  { devices, present }: DeviceRun,
  observation: FleetObservation,
): RolloutDeviceView[] {
  const sizes = phaseSizesNow(plan, present.total);
  let place = present.before;
  return devices.map((device) => {
    const phase = isPresent(device) ? sizes.findIndex((size) => place < size) : -1;
    if (isPresent(device)) place += 1;
    return {
      ordinal: device.ordinal,
      // A device that was removed meanwhile can leave one more than the sizes count.
      ...describeState(device, statusAt(device, plan, observation), phase < 0 ? undefined : phase),
      ...(device.offeredAt === null ? {} : { offeredAt: device.offeredAt }),
      ...(device.lastReportedAt === null ? {} : { lastReportedAt: device.lastReportedAt }),
      ...(device.revertedAt === null ? {} : { revertedAt: device.revertedAt }),
    };
  });
}
