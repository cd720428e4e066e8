/** Which slot folders nothing points at any more. Pure: the store removes them. */
import type { SlotIndex } from './slot-index.ts';

export interface Garbage {
  readonly index: SlotIndex;
  /** Manifest digests of the slot folders on disk. */
  readonly onDisk: readonly string[];
  /** Manifest digests an update is working on: they have no role yet. */
  readonly pinned: ReadonlySet<string>;
}

export function slotsToRemove({ index, onDisk, pinned }: Garbage): readonly string[] {
  const used = new Set(pinned);
  for (const { active, trial, previous } of Object.values(index.models)) {
    for (const slot of [active, trial, ...previous]) if (slot) used.add(slot.manifest);
  }
  return onDisk.filter((manifest) => !used.has(manifest));
}
