/**
 * Lifts what a device holds against versions: those it has quarantined, and the desired versions it has answered with a refusal, so that
 * what is wanted is tried again at once. Pure.
 */
import type { UpdateRecord } from './update-record.ts';

export interface Released {
  readonly record: UpdateRecord;
  /** Versions that are no longer quarantined. */
  readonly versions: readonly string[];
}

/** By somebody at the device: everything. */
export function releaseAll(record: UpdateRecord): Released {
  const versions = record.quarantined.map(({ version }) => version);
  return { record: { ...record, quarantined: [], answered: [] }, versions };
}

/**
 * By the hub, in the desired state of sequence `at`: what failed under an earlier one. What has failed since stays, so the
 * statement may come again with each one that follows it.
 */
export function releaseBefore(record: UpdateRecord, at: number): Released {
  if (at <= (record.released ?? 0)) return { record, versions: [] };
  const isSince = (entry: { readonly sequence?: number }) => (entry.sequence ?? 0) >= at;
  return {
    record: {
      ...record,
      quarantined: record.quarantined.filter(isSince),
      answered: record.answered.filter(isSince),
      released: at,
    },
    versions: record.quarantined.filter((entry) => !isSince(entry)).map(({ version }) => version),
  };
}
