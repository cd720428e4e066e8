/**
 * What a restore leaves in the data folder for the next start of the hub: `restoring` while files are copied, then
 * `restored.json` until the hub has caught up with what its devices have received since the backup.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { syncFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { Digest, Timestamp } from '../../shared/base/names.ts';
import { jsonParser } from '../../shared/base/parse.ts';

export const restoringName = 'restoring';
export const restoredName = 'restored.json';
const NOTE_BYTES_MAX = 4096;

const RestoreRecord = Type.Object({
  v: Type.Literal(1),
  /** When the backup was made. */
  backupAt: Timestamp,
  /** SHA-256 of the backup's listing. */
  listing: Digest,
  restoredAt: Timestamp,
});
export type RestoreRecord = Static<typeof RestoreRecord>;
const parseRestoreRecord = jsonParser(RestoreRecord, 'note of the restore', NOTE_BYTES_MAX);

/** Throws `restore_unfinished`: nothing may be read from such a folder, or written into it. */
export async function requireRestored(data: string): Promise<void> {
  if ((await readIfThere(join(data, restoringName))) === undefined) return;
  throw new AppError(
    'restore_unfinished',
    `Cannot use the data folder "${data}": a restore into it was interrupted.`,
  );
}

/** Undefined when the folder was not restored since the hub ran last. */
export async function readRestoreRecord(data: string): Promise<RestoreRecord | undefined> {
  const bytes = await readIfThere(join(data, restoredName));
  return bytes && parseRestoreRecord(bytes);
}

export async function writeRestoreRecord(data: string, note: RestoreRecord): Promise<void> {
  await writeFileAtomic(join(data, restoredName), `${JSON.stringify(note)}\n`);
}

/** The hub has caught up. */
export async function removeRestoreRecord(data: string): Promise<void> {
  await rm(join(data, restoredName), { force: true });
  await syncFolder(data);
}

function readIfThere(file: string): Promise<Uint8Array | undefined> {
  return readRegularFile(file, NOTE_BYTES_MAX).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
