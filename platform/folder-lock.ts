/**
 * One process per data folder. The lock is the operating system's own lock on a file (taken through SQLite, which knows how
 * on every platform), so it ends with the process, however that dies: there is no stale lock to wait for or to remove.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { AppError } from '../shared/base/app-error.ts';
import { unreadableReason } from './regular-file.ts';

export interface FolderLock {
  release(): void;
}

/** Takes the lock of `folder`, which must exist. Throws `data_folder_locked` when another process, or this one, has it. */
export function lockFolder(folder: string): FolderLock {
  const holderFile = join(folder, 'lock.pid');
  const lockFile = join(folder, 'lock');
  closeSync(openOwn(lockFile));
  const file = new BetterSqlite3(lockFile, { timeout: 0 });
  try {
    file.exec('begin exclusive');
  } catch (cause) {
    file.close();
    if (!String((cause as { code?: string }).code).startsWith('SQLITE_BUSY')) throw cause;
    throw new AppError(
      'data_folder_locked',
      `Cannot use the data folder "${folder}": another process already uses it${holder(holderFile)}. Stop that process, or use a different folder.`,
      { cause },
    );
  }
  try {
    const descriptor = openOwn(holderFile, constants.O_TRUNC);
    writeSync(descriptor, `${process.pid}\n`);
    closeSync(descriptor);
  } catch {
    // A full disk, or something in the way: the lock holds all the same.
  }
  return { release: () => file.close() };
}

/** The process id the holder left; a help to the reader, never the lock itself. */
function holder(file: string): string {
  try {
    const descriptor = openOwn(file);
    const bytes = Buffer.alloc(32);
    const process = Number(bytes.toString('utf8', 0, readSync(descriptor, bytes)));
    closeSync(descriptor);
    return process > 0 ? ` (process ${process})` : '';
  } catch {
    return '';
  }
}

/** A file of the lock's, made when it is absent. Throws `file_unusable` when what is there is no regular file, without waiting for it. */
function openOwn(file: string, more = 0): number {
  const { O_RDWR, O_CREAT, O_NONBLOCK, O_NOFOLLOW } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDWR | O_CREAT | (O_NONBLOCK ?? 0) | (O_NOFOLLOW ?? 0) | more, 0o600);
  } catch (cause) {
    throw new AppError('file_unusable', `Cannot use the lock "${file}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new AppError('file_unusable', `Cannot use the lock "${file}": it is not a regular file.`);
}
