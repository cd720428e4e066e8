/** One model as the reported state tells it, from its journal and its slots. Pure. */
import type { InstalledVersion, ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { DownloadProgress } from '../download/version-download.ts';
import { type ModelSlots, noSlots, type SlotRef } from '../slots/slot-index.ts';
import { isParked } from './failure-policy.ts';
import type { UpdateRecord } from './update-record.ts';

export function reportModel(
  model: string,
  record: UpdateRecord | undefined,
  slots: ModelSlots = noSlots,
  { nowMs, progress }: { readonly nowMs: number; readonly progress?: DownloadProgress | undefined },
): ReportedModel {
  const attempt = record?.attempt;
  // A version that was committed a moment ago is still on trial in the slots.
  const isTrialServing = attempt?.state === 'trial' || attempt?.state === 'committed';
  const serving = (isTrialServing && slots.trial) || slots.active;
  const before = serving === slots.trial && slots.active ? [slots.active, ...slots.previous] : slots.previous;
  return {
    model,
    ...(serving && { active: installed(serving), provider: serving.provider }),
    previous: before.slice(0, 16).map(installed),
    ...(attempt && {
      update: {
        version: attempt.version,
        state: attempt.state,
        since: new Date(attempt.since).toISOString(),
        ...progress,
        ...(attempt.fault && { fault: attempt.fault }),
      },
    }),
    parked: (record?.parked ?? [])
      .filter((entry) => isParked(entry, nowMs))
      .map(({ version, until, reason }) => ({ version, until: new Date(until).toISOString(), reason })),
  };
}

function installed({ version, manifest, release }: SlotRef): InstalledVersion {
  return { version, manifest, release };
}
