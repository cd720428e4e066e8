/**
 * The database as a file: what it takes, what of it is unused, and how it shrinks. A file made by this program gives pages back a few
 * at a time; an older one must be written anew once before it can.
 */
import BetterSqlite3 from 'better-sqlite3';
import { sql } from 'kysely';
import { unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Database } from './database.ts';
import { storageError } from './storage-error.ts';

export interface FileUse {
  readonly pageBytes: number;
  readonly pages: number;
  /** Pages that hold nothing. */
  readonly unused: number;
  /** Whether unused pages can be given back to the disk. */
  readonly canShrink: boolean;
}

const INCREMENTAL = 2;

export async function fileUse(database: Database): Promise<FileUse> {
  const { rows } = await sql<{ pageBytes: number; pages: number; unused: number; vacuum: number }>`
    select page_size as pageBytes, page_count as pages, freelist_count as unused, auto_vacuum as vacuum
    from pragma_page_size, pragma_page_count, pragma_freelist_count, pragma_auto_vacuum`.execute(database);
  const { vacuum, ...use } = rows[0]!;
  return { ...use, canShrink: vacuum === INCREMENTAL };
}

/** Gives at most so many unused pages back. Needs a file that can shrink. */
export async function givePagesBack(database: Database, pages: number): Promise<void> {
  await sql.raw(`pragma incremental_vacuum(${Math.floor(pages)})`).execute(database);
}

/** Writes an open database anew, without what is unused; it can shrink from then on. Nothing else goes on meanwhile. */
export async function compactOpen(database: Database): Promise<void> {
  await sql`pragma auto_vacuum = INCREMENTAL`.execute(database);
  await sql`vacuum`.execute(database);
}

/**
 * The same for the file of a hub that does not run. Needs twice as much free disk as the file takes. A kill leaves the file as it was.
 * Throws `file_unusable`, `database_locked`, `disk_full`.
 */
export function compactFile(file: string): void {
  try {
    const sqlite = new BetterSqlite3(file, { fileMustExist: true });
    try {
      sqlite.pragma('auto_vacuum = INCREMENTAL');
      sqlite.exec('vacuum');
      sqlite.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      sqlite.close();
    }
  } catch (cause) {
    throw (
      storageError(cause, file) ??
      new AppError('file_unusable', `Cannot compact the database "${file}": ${unreadableReason(cause)}.`, {
        cause,
      })
    );
  }
}
