/** The order in which a device tries to run a version: variants as the manifest lists them, each one's providers in turn. */
import type { Slot } from '../slots/slot.ts';
import { type SlotArtifact, slotArtifact } from './slot-artifact.ts';

export interface Candidate {
  readonly provider: string;
  readonly artifact: SlotArtifact;
}

/**
 * Each provider once, with the first variant that names it: a provider then says which file it runs. Throws
 * `artifact_digest_mismatch` when a variant's file is none of the manifest's.
 */
export function variantChain(slot: Slot): readonly Candidate[] {
  const artifacts = new Map<string, SlotArtifact>();
  for (const variant of slot.manifest.variants) {
    for (const provider of variant.providers) {
      if (!artifacts.has(provider)) artifacts.set(provider, slotArtifact(slot, variant.file));
    }
  }
  return [...artifacts].map(([provider, artifact]) => ({ provider, artifact }));
}
