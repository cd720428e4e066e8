/**
 * What the slot index says of a version, against the version's manifest. The index is a plain file on the disk; a manifest is
 * vouched for by its digest, which is the slot's name. So labels come from the manifest: what the index says otherwise is
 * corrected and told. Pure.
 */
import { dropSlot, type ModelSlots, type SlotRef } from './slot-index.ts';

/** What a manifest says; undefined when the slot has none that can be read with its digest. */
export type ReadLabels = (
  manifest: string,
) => { readonly model: string; readonly version: string; readonly release: number } | undefined;

export interface CheckedRoles {
  readonly slots: ModelSlots;
  /** One sentence for each thing that was not so. */
  readonly corrections: readonly string[];
}

export function checkRoles(model: string, slots: ModelSlots, labelsOf: ReadLabels): CheckedRoles {
  const corrections: string[] = [];
  const all = [slots.active, slots.trial, ...slots.previous].filter((ref) => ref !== undefined);
  let checked = slots;
  for (const { manifest, version } of all) {
    const labels = labelsOf(manifest);
    if (labels !== undefined && labels.model !== model) {
      corrections.push(
        `"${model}" ${version} is ${labels.model} ${labels.version} in truth, and is left out.`,
      );
      checked = dropSlot(checked, manifest);
    }
    // Last-known-good and the one on trial are looked at when they are served; the others might never be.
    const isKept = slots.previous.some((ref) => ref.manifest === manifest);
    if (labels === undefined && isKept) {
      corrections.push(`"${model}" ${version} has no manifest that can be trusted, and is left out.`);
      checked = { ...checked, previous: checked.previous.filter((ref) => ref.manifest !== manifest) };
    }
  }
  const labelled = (ref: SlotRef): SlotRef => {
    const labels = labelsOf(ref.manifest);
    if (labels === undefined) return ref;
    const { version, release } = labels;
    if (ref.version === version && ref.release === release) return ref;
    corrections.push(
      `"${model}" ${ref.version} (release ${ref.release}) is ${version} (release ${release}) in truth.`,
    );
    return { ...ref, version, release };
  };
  const active = checked.active && labelled(checked.active);
  const trial = checked.trial && labelled(checked.trial);
  const previous = checked.previous.map(labelled);
  const floor = Math.max(checked.floor, ...[active, ...previous].map((ref) => ref?.release ?? 0));
  if (floor > checked.floor)
    corrections.push(`"${model}" has committed release ${floor}; its floor was ${checked.floor}.`);
  return { slots: { ...(active && { active }), ...(trial && { trial }), previous, floor }, corrections };
}
