/**
 * Makes a hub's data folder from a backup. The backup is checked as a whole before anything is written; a folder with anything in
 * it is left alone; a restore that ends half way leaves a folder on which no hub starts, and can be done again.
 */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder, syncFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { lockFolder } from '../../platform/folder-lock.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { databaseFile, keyFiles } from '../data-folder/inventory.ts';
import { type BackupMetadata, noteBytesMax, noteName, parseBackupMetadata } from './backup-metadata.ts';
import { copyFileTo } from './copied-file.ts';
import { differingFiles, type ListedFile, listingText, readListing } from './file-listing.ts';
import { restoringName, writeRestoreRecord } from './restore-record.ts';

/** Files without which a backup is not that of a hub. */
const needed: readonly string[] = [databaseFile, ...keyFiles, noteName];
const FILES_NAMED = 5;
const ownNames: ReadonlySet<string> = new Set(['lock', 'lock.pid', 'lock-journal']);

export interface CheckedBackup {
  readonly folder: string;
  readonly note: BackupMetadata;
  readonly files: readonly ListedFile[];
}

/** Every file has the digest in the listing. Throws `backup_damaged`. */
export async function checkBackup(folder: string): Promise<CheckedBackup> {
  const files = await readListing(folder);
  const listed = new Set(files.map(({ path }) => path));
  const wrong = [...needed.filter((path) => !listed.has(path)), ...(await differingFiles(folder, files))];
  if (wrong.length > 0) {
    const more = wrong.length > FILES_NAMED ? ` and ${wrong.length - FILES_NAMED} more` : '';
    throw new AppError(
      'backup_damaged',
      `Cannot use the backup "${folder}": ${wrong.length} of its files are missing or changed: ${wrong.slice(0, FILES_NAMED).join(', ')}${more}.`,
      { details: { files: wrong.slice(0, 100) } },
    );
  }
  return {
    folder,
    files,
    note: parseBackupMetadata(await readRegularFile(join(folder, noteName), noteBytesMax)),
  };
}

/** Throws `data_folder_not_empty`, `data_folder_locked`, `disk_full`. */
export async function restoreBackup(
  { folder, files, note }: CheckedBackup,
  { data, nowMs }: { readonly data: string; readonly nowMs: number },
): Promise<void> {
  await makePrivateFolder(data);
  await requireEmpty(data);
  const lock = lockFolder(data);
  try {
    const marker = join(data, restoringName);
    await writeFileAtomic(marker, `from ${folder}\n`);
    const folders = new Set([data]);
    for (const { path, sha256 } of files) {
      if (path === noteName) continue;
      const target = join(data, path);
      folders.add(join(target, '..'));
      if ((await copyFileTo(join(folder, path), target, { flush: true })) !== sha256) {
        throw new AppError(
          'backup_damaged',
          `Cannot restore: "${path}" of the backup changed during the restore.`,
        );
      }
    }
    for (const made of folders) await syncFolder(made);
    await writeRestoreRecord(data, {
      v: 1,
      backupAt: note.at,
      listing: sha256(listingText(files)),
      restoredAt: new Date(nowMs).toISOString(),
    });
    await rm(marker);
    await syncFolder(data);
  } finally {
    lock.release();
  }
}

async function requireEmpty(data: string): Promise<void> {
  const names = (await readdir(data)).filter((name) => !ownNames.has(name));
  if (names.length === 0 || names.includes(restoringName)) return;
  throw new AppError(
    'data_folder_not_empty',
    `Cannot restore into "${data}": the folder is not empty; it contains "${names[0]}".`,
  );
}
