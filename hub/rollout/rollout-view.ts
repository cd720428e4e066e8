/** A rollout as REST shows it. */
import { type Static, Type } from 'typebox';
import { limits } from '../../shared/base/limits.ts';
import { DeviceId, RolloutId } from '../../shared/base/names.ts';
import { UpdateFault } from '../../shared/protocol/update-event.ts';
import {
  backOutcomes,
  type DeviceStatus,
  deviceStatuses,
  type FleetObservation,
  isFailure,
  type RolloutDevice,
  statusAt,
} from './device-progress.ts';
import { verdicts } from './gates.ts';
import { isPresent, phaseOfEach } from './phase-members.ts';
import { rolloutStatuses } from './rollout-machine.ts';
import { phaseSizesNow, phaseText, RolloutPlan } from './rollout-plan.ts';
import { countStatuses } from './rollout-planner.ts';
import type { RolloutRecord, StoredVerdict } from './rollout-store.ts';

const milliseconds = Type.Integer({ description: 'Milliseconds since the epoch' });
const Counts = Type.Object(
  Object.fromEntries(deviceStatuses.map((status) => [status, Type.Optional(Type.Integer())])),
  { description: 'Devices by status; absent is none' },
);

export const RolloutSummary = Type.Object({
  id: RolloutId,
  model: Type.String(),
  version: Type.String(),
  group: Type.Optional(Type.String()),
  status: Type.Enum([...rolloutStatuses]),
  reason: Type.Optional(Type.String({ description: 'Why it is in this status' })),
  phase: Type.Integer({ description: '1-based; the phase it is in, or ended in' }),
  phases: Type.Integer(),
  createdAt: milliseconds,
  createdBy: Type.String(),
  startedAt: Type.Optional(milliseconds),
  endedAt: Type.Optional(milliseconds),
});
export type RolloutSummary = Static<typeof RolloutSummary>;

const backStandings = ['awaited', 'removed', ...backOutcomes] as const;
type BackStanding = (typeof backStandings)[number];

const BackCounts = Type.Object(
  Object.fromEntries(backStandings.map((back) => [back, Type.Optional(Type.Integer())])),
  { description: 'Devices that the version was taken back from, by how they stand; absent is none' },
);
type BackCounts = Partial<Record<BackStanding, number>>;

const NamedDevice = Type.Object({
  device: DeviceId,
  status: Type.Enum([...deviceStatuses]),
  phase: Type.Optional(Type.Integer({ description: '1-based; absent for a removed device' })),
  since: milliseconds,
  previousVersion: Type.Optional(Type.String()),
  back: Type.Optional(
    Type.Enum([...backStandings], {
      description: 'How it stands after the version was taken back from it',
    }),
  ),
  fault: Type.Optional(UpdateFault),
});

const Reason = Type.Object({
  code: Type.String(),
  verdict: Type.Enum([...verdicts]),
  text: Type.String(),
});

export const RolloutDetail = Type.Object({
  ...RolloutSummary.properties,
  plan: RolloutPlan,
  phaseList: Type.Array(
    Type.Object({
      size: Type.String({ description: 'As planned: "10 %" or "1 device"' }),
      devices: Type.Integer({ description: 'Cumulative' }),
      state: Type.Enum(['done', 'current', 'waiting']),
    }),
  ),
  target: Type.Integer({ description: 'Devices of the rollout that are still devices of the hub' }),
  trouble: Type.Optional(
    Type.Object(
      { since: milliseconds, code: Type.String(), message: Type.String() },
      { description: 'Why the hub cannot advance it; it tries again and again' },
    ),
  ),
  /** What speaks against it and may pass; told once, to who creates it. */
  warnings: Type.Optional(Type.Array(Type.String())),
  counts: Counts,
  back: Type.Optional(BackCounts),
  /** Those that failed, are silent, are on their way or not back, are back, in this order, at most `limits.rolloutDevicesNamedMax`. */
  devices: Type.Array(NamedDevice),
  /** Newest first, at most `limits.rolloutVerdictsShownMax`. */
  verdicts: Type.Array(
    Type.Object({
      at: milliseconds,
      phase: Type.Integer({ description: '1-based' }),
      verdict: Type.Enum([...verdicts]),
      reasons: Type.Array(Reason),
    }),
  ),
  leftOut: Type.Optional(
    Type.Object(
      { devices: Type.Integer(), olderVerdicts: Type.Boolean() },
      { description: 'What `devices` and `verdicts` have no room for; absent when nothing is left out' },
    ),
  ),
});
export type RolloutDetail = Static<typeof RolloutDetail>;

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
): RolloutDetail {
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
    ...(devices.some(isReverted) ? { back: countBack(devices) } : {}),
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

/** An offer that was withdrawn, or an end in which the version was taken back; the hub may have tried to in vain. */
function isReverted({ assigned, status, offeredAt, triedAt }: RolloutDevice): boolean {
  return status !== 'pending' && offeredAt !== null && (!assigned || triedAt !== null);
}

function backOf({ assigned, backAt, backAs, removedAt }: RolloutDevice): BackStanding {
  if (removedAt !== null) return 'removed';
  if (assigned) return 'not-told';
  return backAt === null ? 'awaited' : (backAs ?? 'back');
}

function countBack(devices: readonly RolloutDevice[]): BackCounts {
  const counts: BackCounts = {};
  for (const device of devices.filter(isReverted)) {
    const back = backOf(device);
    counts[back] = (counts[back] ?? 0) + 1;
  }
  return counts;
}

function rankOf(device: RolloutDevice, status: DeviceStatus): number {
  if (isFailure(status)) return 0;
  if (status === 'silent' || status === 'hindered' || status === 'unproven') return 1;
  return isReverted(device) && backOf(device) === 'back' ? 3 : 2;
}

/** Devices a person asks about: faults first, the silent and the unproven, those on their way or not back, those that are. */
function nameDevices(
  devices: readonly RolloutDevice[],
  plan: RolloutPlan,
  observation: FleetObservation,
): RolloutDetail['devices'] {
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
    .map(({ device, status, endedAt }) => ({
      device: device.deviceId,
      status,
      ...(phases.has(device.deviceId) ? { phase: phases.get(device.deviceId)! + 1 } : {}),
      since: endedAt ?? device.changedAt,
      ...(device.previousVersion === null ? {} : { previousVersion: device.previousVersion }),
      ...(isReverted(device) ? { back: backOf(device) } : {}),
      ...(device.fault === null ? {} : { fault: device.fault }),
    }));
}
