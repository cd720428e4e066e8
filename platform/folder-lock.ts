/**
 * One process per data folder. The lock is the operating system's own lock on a file (taken through SQLite, which knows how
 * on every platform), so it ends with the process, however that dies: there is no stale lock to wait for or to remove.
 */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { AppError } from '../shared/base/app-error.ts';

export interface FolderLock {
  release(): void;
}

/** Takes the lock of `folder`, which must exist. Throws `data_folder_locked` when another process, or this one, has it. */
export function lockFolder(folder: string): FolderLock {
  const holderFile = join(folder, 'lock.pid');
  const lockFile = join(folder, 'lock');
  closeSync(openSync(lockFile, 'a', 0o600));
  const file = new BetterSqlite3(lockFile, { timeout: 0 });
  try {
    file.exec('begin exclusive');
  } catch (cause) {
    file.close();
    if (!String((cause as { code?: string }).code).startsWith('SQLITE_BUSY')) throw cause;
    throw new AppError(
      'data_folder_locked',
      `Cannot use the data folder "${folder}": another process runs on it${holder(holderFile)}. Stop it, or use a folder of its own.`,
      { cause },
    );
  }
  try {
    writeFileSync(holderFile, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // A full disk: the lock holds all the same.
  }
  return { release: () => file.close() };
}

/** The process id the holder left; a help to the reader, never the lock itself. */
function holder(file: string): string {
  try {
    return ` (process ${Number(readFileSync(file, 'utf8'))})`;
  } catch {
    return '';
  }
}
