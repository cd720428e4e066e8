/**
 * The order in which the devices of a rollout are offered the version. It is a hash of rollout and device: known in advance, the same
 * on every hub, and different for every rollout, so that no device is the canary for ever.
 */
import { sha256 } from '../../shared/digest/sha256.ts';

export interface CohortMember {
  readonly deviceId: string;
  /** 0-based place in the order. */
  readonly ordinal: number;
}

export function orderCohort(rolloutId: string, deviceIds: readonly string[]): readonly CohortMember[] {
  return deviceIds
    .map((deviceId) => ({ deviceId, rank: cohortRank(rolloutId, deviceId) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0))
    .map(({ deviceId }, ordinal) => ({ deviceId, ordinal }));
}

/** SHA-256 of both ids as hex; ids hold no NUL, so no two pairs have the same text. */
function cohortRank(rolloutId: string, deviceId: string): string {
  return sha256(`${rolloutId}\0${deviceId}`);
}
