/**
 * Files of a slot as serving uses them: only those the signed manifest lists, and only with the digest it names at the
 * moment of use (promise P1). A slot was verified when it was taken in hand, which may be weeks ago; disks decay, and a
 * changed weight loads and answers without a word.
 */
import { join } from 'node:path';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { sha256, sha256OfFile } from '../slots/sha256.ts';
import type { Slot } from '../slots/slot.ts';

export interface SlotArtifact {
  /** Absolute path. */
  readonly file: string;
  readonly sha256: string;
}

/** Throws `artifact_digest_mismatch` when the manifest lists no such file. */
export function slotArtifact({ model, version, manifest, folder }: Slot, path: string): SlotArtifact {
  const entry = manifest.files.find((file) => file.path === path);
  if (entry) return { file: join(folder, entry.path), sha256: entry.sha256 };
  throw new AppError(
    'artifact_digest_mismatch',
    `Cannot use ${model} ${version}: its manifest uses the file "${path}" and names no digest for it.`,
  );
}

/** Throws `slot_damaged` when the file is not the one the manifest names. */
export async function checkArtifact({ file, sha256: wanted }: SlotArtifact): Promise<void> {
  refuseOther(file, wanted, await sha256OfFile(file).catch((error) => errorText(error)));
}

/** The same for bytes read already. */
export function checkArtifactBytes({ file, sha256: wanted }: SlotArtifact, bytes: Uint8Array): void {
  refuseOther(file, wanted, sha256(bytes));
}

function refuseOther(file: string, wanted: string, found: string): void {
  if (found === wanted) return;
  throw new AppError('slot_damaged', `Cannot use "${file}": its digest is "${found}", wanted "${wanted}".`);
}
