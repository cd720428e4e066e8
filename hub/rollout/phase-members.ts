/**
 * Which devices belong to the current phase of a rollout. Pure. The size of a phase is a share of the devices that still belong to
 * the hub: a removed device does not count, and the next one in the order takes its place. A device that was offered the version stays
 * a member even when a removal makes the phase smaller. So a phase never has fewer members than devices that carry the version,
 * and no member is added beyond its size (promise P5).
 */
import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import type { RolloutDevice } from './device-progress.ts';
import { phaseSizesNow } from './rollout-plan.ts';

export interface PhasedRollout {
  readonly plan: Pick<RolloutPlan, 'phases'>;
  /** 0-based. */
  readonly phase: number;
  /** In order of their ordinal. */
  readonly devices: readonly RolloutDevice[];
}

/** Whether it is still a device of the hub. */
export function isPresent({ removedAt }: RolloutDevice): boolean {
  return removedAt === null;
}

/** Devices of the current phase and those before it, in order. */
export function phaseMembers({ plan, phase, devices }: PhasedRollout): readonly RolloutDevice[] {
  const present = devices.filter(isPresent);
  const size = phaseSizesNow(plan, present.length)[phase] ?? 0;
  let free = size - present.filter(hasPlace).length;
  return present.filter((device) => {
    if (hasPlace(device)) return true;
    free -= 1;
    return free >= 0;
  });
}

/** 0-based phase that first contains each device; one that was removed has none. */
export function phaseOfEach({ plan, devices }: Omit<PhasedRollout, 'phase'>): ReadonlyMap<string, number> {
  const present = devices.filter(isPresent);
  const sizes = phaseSizesNow(plan, present.length);
  return new Map(
    present.map(({ deviceId }, place) => [deviceId, sizes.findIndex((size) => place < size)] as const),
  );
}

/** It was offered the version, or could not be: its place is not given to another. */
function hasPlace({ status }: RolloutDevice): boolean {
  return status !== 'pending' && status !== 'withdrawn';
}
