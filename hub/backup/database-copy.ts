/**
 * A copy of an SQLite database as of one instant, also while a hub writes to it: the copy is made inside one read transaction
 * of a connection of its own, which neither waits for writers nor blocks them.
 */
import { open } from 'node:fs/promises';
import BetterSqlite3 from 'better-sqlite3';
import { asDiskError } from '../../platform/atomic-file.ts';
import { openRegularFile, unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';

const BUSY_MS = 30_000;

/** `to` must not exist. Throws `disk_full`, and `file_unusable` when the source or the copy is no intact database. */
export async function copyDatabaseTo(from: string, to: string): Promise<void> {
  // Made first, for its mode: SQLite writes into an empty file.
  await (await open(to, 'wx', 0o600)).close();
  try {
    const source = new BetterSqlite3(from, { fileMustExist: true, timeout: BUSY_MS });
    try {
      // The copy can shrink, also when the source is older than that.
      source.pragma('auto_vacuum = INCREMENTAL');
      source.prepare('vacuum into ?').run(to);
    } finally {
      source.close();
    }
    requireWhole(to);
    const copy = await openRegularFile(to);
    await copy.sync().finally(() => copy.close());
  } catch (cause) {
    const error = asDiskError(cause, to);
    if (error instanceof AppError) throw error;
    throw new AppError('file_unusable', `Cannot copy the database "${from}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
}

function requireWhole(file: string): void {
  const copy = new BetterSqlite3(file, { readonly: true });
  try {
    const found = copy.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw new Error(`the copy is not whole (${String(found).slice(0, 200)})`);
  } finally {
    copy.close();
  }
}

/** Digests of the chunks that the versions in a hub's database consist of, with manifests, less those it knows to be lost. */
export function chunksNamedBy(file: string): ReadonlySet<string> {
  const database = new BetterSqlite3(file, { readonly: true });
  try {
    const rows = database
      .prepare(
        `select chunk_sha256 as digest from version_chunk
         union select manifest_sha256 from version where content_left_at is null
         except select sha256 from blob_lost`,
      )
      .all() as { digest: string }[];
    return new Set(rows.map(({ digest }) => digest));
  } finally {
    database.close();
  }
}
