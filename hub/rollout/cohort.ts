/**
 * Which device belongs to which phase. The order is a hash of rollout and device: known in advance, the same on every
 * hub, different for every rollout (no device is the canary for ever), and strictly growing from phase to phase.
 */
import { createHash } from 'node:crypto';

export interface CohortMember {
  readonly deviceId: string;
  /** 0-based place in the order. */
  readonly ordinal: number;
  /** 0-based phase that first contains the device. */
  readonly phase: number;
}

/** Orders `deviceIds` and puts each into the first phase whose cumulative `sizes` entry covers its place. */
export function assignCohort(
  rolloutId: string,
  deviceIds: readonly string[],
  sizes: readonly number[],
): readonly CohortMember[] {
  return deviceIds
    .map((deviceId) => ({ deviceId, rank: cohortRank(rolloutId, deviceId) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0))
    .map(({ deviceId }, ordinal) => ({
      deviceId,
      ordinal,
      phase: sizes.findIndex((size) => ordinal < size),
    }));
}

/** SHA-256 of both ids as hex; ids hold no NUL, so no two pairs have the same text. */
export function cohortRank(rolloutId: string, deviceId: string): string {
  return createHash('sha256').update(`${rolloutId}\0${deviceId}`).digest('hex');
}
