/**
 * Files that are either the old one or the new one, whatever happens in between: write beside, flush, rename, flush the
 * folder. Modes default to 0600: what programs keep is theirs.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '../shared/base/app-error.ts';
import { setAside } from './set-aside.ts';

/**
 * Replaces `path` with `bytes` so that a crash leaves the old or the new content. A folder that is in the way is set aside.
 * Throws `disk_full` when there is no space.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string, mode = 0o600): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  let file: FileHandle | undefined;
  try {
    file = await open(beside, 'wx', mode);
    await file.writeFile(bytes);
    await file.sync();
    await file.close();
    file = undefined;
    await rename(beside, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EISDIR') throw error;
      await setAside(path);
      await rename(beside, path);
    });
    await syncFolder(dirname(path));
  } catch (cause) {
    await file?.close().catch(() => undefined);
    await rm(beside, { force: true }).catch(() => undefined);
    throw asDiskError(cause, path);
  }
}

/** Makes a folder and its parents, readable by their owner alone. Throws `disk_error` where a parent takes no folders. */
export async function makePrivateFolder(path: string): Promise<void> {
  // Not `recursive`: Node tries for ever where a parent exists and takes no folders, as below /proc.
  if (await makeFolder(path)) return;
  await makePrivateFolder(dirname(path));
  if (await makeFolder(path)) return;
  throw new AppError(
    'disk_error',
    `Cannot make the folder "${path}": no folder can be made in "${dirname(path)}".`,
  );
}

/** False where there is no parent. Another one may make the same folder at the same time. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) return false;
    if (code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
  return true;
}

/** Makes renames in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Names a full disk by its code; returns any other error as it is. */
export function asDiskError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'SQLITE_FULL') return error;
  return new AppError(
    'disk_full',
    `Cannot write "${path}": the disk is full. Nothing already stored was changed.`,
    { cause: error },
  );
}
