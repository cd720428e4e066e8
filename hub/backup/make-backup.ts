/**
 * Copies a hub's data folder, also beside the hub that runs on it: databases as of one instant, then keys, certificates and
 * blobs. Blobs come after the database because they are stored before a version names them: all that the copied database
 * names is there. The listing is written last: a folder without it is no backup.
 */

import { readdir, rm } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { sha256OfFile } from '../../platform/file-digest.ts';
import { certificateFingerprint } from '../../platform/pinned-tls.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { firstStartFile } from '../data-folder/folder-files.ts';
import { databaseFile } from '../data-folder/inventory.ts';
import { type BackupMetadata, noteName } from './backup-metadata.ts';
import { copyFileTo } from './copied-file.ts';
import { chunksNamedBy, copyDatabaseTo } from './database-copy.ts';
import { isListable, type ListedFile, listingName, listingText } from './file-listing.ts';
import { restoredName, restoringName } from './restore-record.ts';

/** What a hub creates again at each start, and what SQLite and atomic writes leave beside their files. */
const notKept: ReadonlySet<string> = new Set([
  ...['lock', 'lock.pid', firstStartFile, restoringName, restoredName],
]);
const BESIDE = /(?:\.db-(?:wal|shm|journal)|^lock-(?:wal|shm|journal)|\.tmp|\.set-aside-[0-9a-f]+)$/;
const BLOB = /^blobs\/[0-9a-f]{2}\/[0-9a-f]{64}$/;
/** Versions may be deleted while their blobs are copied: then a newer copy of the database no longer names them. */
const TRIES = 3;

export interface BackupOptions {
  /** The hub's data folder. */
  readonly data: string;
  /** Folder that is made; it must not exist, or be empty. */
  readonly to: string;
  readonly program: string;
  readonly nowMs: number;
}

export interface MadeBackup {
  readonly folder: string;
  readonly at: string;
  readonly files: number;
  /** Digests of chunks that versions name and that the hub does not have whole. */
  readonly missing: readonly string[];
}

/** Throws `bad_input`, `data_folder_not_empty`, `file_unusable`, `disk_full`; what it wrote is removed again then. */
export async function makeBackup({ data, to, program, nowMs }: BackupOptions): Promise<MadeBackup> {
  await requireHub(data);
  requireApart(data, to);
  await makePrivateFolder(to);
  if ((await readdir(to)).length > 0) {
    throw new AppError('data_folder_not_empty', `Cannot make a backup in "${to}": the folder is not empty.`);
  }
  try {
    const { files, missing } = await copyAll(data, to);
    const at = new Date(nowMs).toISOString();
    const note: BackupMetadata = { v: 1, at, program, ca: await caOf(to) };
    const noteText = `${JSON.stringify(note)}\n`;
    await writeFileAtomic(join(to, noteName), noteText);
    const listed = [...files, { path: noteName, sha256: sha256(noteText) }];
    await writeFileAtomic(join(to, listingName), listingText(listed));
    return { folder: to, at, files: listed.length, missing };
  } catch (error) {
    for (const name of await readdir(to)) await rm(join(to, name), { recursive: true, force: true });
    throw error;
  }
}

async function copyAll(data: string, to: string) {
  let others: ListedFile[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const databases = await copyDatabases(data, to);
    if (attempt === 1) others = await copyOthers(data, to);
    else others.push(...(await copyOthers(data, to, new Set(others.map(({ path }) => path)))));
    const held = new Set(others.map(({ path }) => basename(path)));
    const missing = [...chunksNamedBy(join(to, databaseFile))].filter((digest) => !held.has(digest));
    if (missing.length === 0 || attempt === TRIES) return { files: [...databases, ...others], missing };
  }
}

async function copyDatabases(data: string, to: string): Promise<ListedFile[]> {
  const names = (await readdir(data)).filter((name) => name.endsWith('.db') && isListable(name));
  const copied: ListedFile[] = [];
  // What other databases hold may name what the hub's own holds, never the other way round.
  for (const name of names.sort((a, b) => Number(b === databaseFile) - Number(a === databaseFile))) {
    await rm(join(to, name), { force: true });
    await copyDatabaseTo(join(data, name), join(to, name));
    copied.push({ path: name, sha256: await sha256OfFile(join(to, name)) });
  }
  return copied;
}

/** Everything but databases. A blob whose bytes are not those of its name is left out. */
async function copyOthers(
  data: string,
  to: string,
  has: ReadonlySet<string> = new Set(),
): Promise<ListedFile[]> {
  const copied: ListedFile[] = [];
  for (const path of await filesBelow(data)) {
    if (has.has(path)) continue;
    const target = join(to, path);
    const isBlob = BLOB.test(path);
    // Blobs are many and known by their names: what a power failure destroys of them, the listing shows.
    const found = await copyFileTo(join(data, path), target, { flush: !isBlob }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) continue;
    if (isBlob && found !== basename(path)) await rm(target, { force: true });
    else copied.push({ path, sha256: found });
  }
  return copied;
}

/** Relative paths, with `/`. */
async function filesBelow(data: string): Promise<string[]> {
  const entries = await readdir(data, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(data, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .filter((path) => isListable(path) && !path.endsWith('.db') && !notKept.has(path) && !BESIDE.test(path));
}

async function requireHub(data: string): Promise<void> {
  const names = await readdir(data).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    throw error;
  });
  if (names.includes(databaseFile) && !names.includes(restoringName)) return;
  throw new AppError(
    'bad_input',
    `Cannot back up "${data}": it is not the data folder of a hub that has run, because it contains no complete "${databaseFile}".`,
  );
}

/** A backup inside the data folder would be part of the next one, and lost with it. */
function requireApart(data: string, to: string): void {
  const inside = relative(resolve(data), resolve(to));
  if (inside !== '' && (inside.startsWith('..') || isAbsolute(inside))) return;
  throw new AppError('bad_input', `Cannot make a backup in "${to}": it is inside the data folder "${data}".`);
}

/** SHA-256 of the CA's certificate. */
async function caOf(folder: string): Promise<string> {
  const text = String(await readRegularFile(join(folder, 'pki', 'ca.pem'), limits.keyFileBytesMax));
  return certificateFingerprint(text.slice(text.indexOf('-----BEGIN CERTIFICATE-----')));
}
