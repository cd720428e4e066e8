/**
 * One model as the reported state tells it, from its journal, its slots and what really answers: the hub decides by it who is
 * back, so a version that should answer and does not is not said to. Pure.
 */
import type { InstalledVersion, ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { DownloadProgress } from '../download/version-download.ts';
import { type ModelSlots, noSlots, type SlotRef, servingOrder } from '../slots/slot-index.ts';
import { isQuarantined } from './failure-policy.ts';
import type { UpdateRecord } from './update-record.ts';

export interface ReportObservation {
  readonly nowMs: number;
  readonly progress?: DownloadProgress | undefined;
  /** Manifest digest of the version that answers; undefined when none does. */
  readonly serving: string | undefined;
}

export function reportModel(
  model: string,
  record: UpdateRecord | undefined,
  slots: ModelSlots = noSlots,
  { nowMs, progress, serving }: ReportObservation,
): ReportedModel {
  const attempt = record?.attempt;
  const kept = servingOrder(slots);
  const active = [slots.trial, ...kept].find((slot) => slot !== undefined && slot.manifest === serving);
  return {
    model,
    ...(active && { active: installed(active), provider: active.provider }),
    previous: kept
      .filter((slot) => slot.manifest !== serving)
      .slice(0, 16)
      .map(installed),
    ...(slots.floor > 0 && { floor: slots.floor }),
    ...(attempt && {
      update: {
        version: attempt.version,
        state: attempt.state,
        since: new Date(attempt.since).toISOString(),
        ...(progress && downloadOf(progress)),
        ...(attempt.fault && { fault: attempt.fault }),
      },
    }),
    quarantined: (record?.quarantined ?? [])
      .filter((entry) => isQuarantined(entry, nowMs))
      .map(({ version, until, reason }) => ({ version, until: new Date(until).toISOString(), reason })),
  };
}

function downloadOf({ queuedSince, ...bytes }: DownloadProgress) {
  if (queuedSince === undefined) return bytes;
  const text = 'the hub is sending files to other devices first, and this device is in its queue';
  return { ...bytes, waiting: { reason: 'in-line', text, since: new Date(queuedSince).toISOString() } };
}

function installed({ version, manifest, release, left }: SlotRef): InstalledVersion {
  return { version, manifest, release, ...(left && { left }) };
}
