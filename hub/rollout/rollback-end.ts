/** When a rollback has ended, and how: only devices that reported it count as rolled back, the others are named. Pure. */
import type { RevertOutcome } from '../../shared/api/rollouts.ts';
import { nameDevices } from './device-names.ts';
import {
  deadlinesOf,
  type FleetObservation,
  type RolloutDevice,
  type RolloutTimeouts,
} from './device-progress.ts';
import { isPresent } from './phase-members.ts';

/** Instants until which the report of a device is awaited; empty when there is none to wait for. */
export function reportDeadlines(
  devices: readonly RolloutDevice[],
  timeouts: Pick<RolloutTimeouts, 'silenceMs' | 'deviceTimeoutMs'>,
  observation: FleetObservation,
): readonly number[] {
  const waits = devices.filter((d) => isPresent(d) && d.offeredAt !== null && d.revertedAt === null);
  const ends = waits.map((d) => {
    const { silentAt, timedOutAt } = deadlinesOf(d, d.changedAt, timeouts, observation);
    return observation.connected.has(d.deviceId) ? timedOutAt : Math.min(silentAt, timedOutAt);
  });
  return ends.filter((end) => observation.now < end);
}

/** Why a device was not rolled back, in the order of the message. */
const notRolledBack: readonly (readonly [RevertOutcome | null, string])[] = [
  [null, 'did not go back in time and go back when they return'],
  ['refused', 'refused to go back'],
  ['not-sent', 'could not be sent the rollback'],
  ['no-target', 'had no version to go back to and keep what they have'],
  ['unchanged', 'ran it before and keep it'],
  ['unassigned', 'had the model taken off them'],
  ['superseded', 'are left to a later rollout'],
];

/** How a rollback ended. Devices that were removed from the hub are named, and counted nowhere. */
export function rollbackReason(devices: readonly RolloutDevice[]): string {
  const offered = devices.filter((d) => d.offeredAt !== null);
  const present = offered.filter(isPresent);
  const removed = offered.filter((d) => !isPresent(d)).map((d) => d.deviceId);
  const outcomes = new Map<RevertOutcome | null, string[]>();
  for (const { deviceId, revertedAt, revertOutcome } of present) {
    const outcome = revertedAt === null ? null : (revertOutcome ?? 'reverted');
    outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), deviceId]);
  }
  const parts = notRolledBack.flatMap(([outcome, text]) => {
    const ids = outcomes.get(outcome);
    return ids ? [`${ids.length} ${text}: ${nameDevices(ids)}`] : [];
  });
  if (removed.length > 0) parts.push(`${removed.length} were removed from the hub: ${nameDevices(removed)}`);
  return [summary(outcomes.get('reverted')?.length ?? 0, present.length), ...parts].join('; ');
}

function summary(rolledBack: number, of: number): string {
  if (of === 0) return 'no device has the version';
  if (rolledBack === of) return 'every device has been rolled back';
  return `${rolledBack} of ${of === 1 ? '1 device has' : `${of} devices have`} been rolled back`;
}
