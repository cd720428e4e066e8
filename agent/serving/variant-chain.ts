/** The order in which a device tries to run a version: variants as the manifest lists them, each one's providers in turn. */
import { join } from 'node:path';
import type { Slot } from '../slots/slot.ts';

export interface Candidate {
  readonly provider: string;
  /** Absolute path of the ONNX file. */
  readonly file: string;
}

/** Each provider once, with the first variant that names it: a provider then says which file it runs. */
export function variantChain(slot: Slot): readonly Candidate[] {
  const files = new Map<string, string>();
  for (const variant of slot.manifest.variants) {
    for (const provider of variant.providers) {
      if (!files.has(provider)) files.set(provider, join(slot.folder, variant.file));
    }
  }
  return [...files].map(([provider, file]) => ({ provider, file }));
}
