/**
 * Files of a slot as serving uses them: only those the signed manifest lists, and only with the digest it names at the
 * moment of use (promise P1). A slot was verified when it was taken in hand, which may be weeks ago; disks decay, and a
 * changed weight loads and answers without a warning.
 */

import { basename, join } from 'node:path';
import { readRegularFile, unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
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
    `Cannot use ${model} ${version}: its manifest uses the file "${path}" but contains no digest for it.`,
  );
}

/** The file's bytes. Throws `slot_damaged` when they are not those the manifest names. A model's are checked by its runner. */
export async function readArtifact(
  { file, sha256: wanted }: SlotArtifact,
  bytesMax: number,
): Promise<Uint8Array> {
  const bytes = await readRegularFile(file, bytesMax).catch((cause: unknown) => {
    throw new AppError('slot_damaged', `Cannot use "${basename(file)}": ${unreadableReason(cause)}.`, {
      cause,
    });
  });
  const found = sha256(bytes);
  if (found === wanted) return bytes;
  throw new AppError(
    'slot_damaged',
    `Cannot use "${basename(file)}": the file changed after installation. Its digest is "${found}", expected "${wanted}".`,
  );
}
