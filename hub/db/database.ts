/**
 * Opens the hub's database: one SQLite file, one connection. Every commit is on the disk before it returns
 * (`synchronous=FULL`, promise P4). Kysely hands the one connection to one user at a time, so a transaction runs alone; code
 * inside a transaction must use the transaction it was given, or it waits for itself.
 */
import { constants, open } from 'node:fs/promises';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { migrate } from './migrator.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

const BUSY_MS = 5_000;

/** Opens and, where needed, migrates. `file` may be `:memory:`. Throws `data_folder_newer`. */
export async function openDatabase(file: string): Promise<Database> {
  // SQLite gives its journal files the mode of the database file.
  if (file !== ':memory:') await makeFile(file);
  const sqlite = new BetterSqlite3(file);
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  sqlite.pragma(`busy_timeout = ${BUSY_MS}`);
  const database: Database = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
  try {
    await migrate(database);
  } catch (error) {
    await database.destroy();
    throw error;
  }
  return database;
}

/** Without waiting for what is no file, such as a pipe. Throws `file_unusable`. */
async function makeFile(file: string): Promise<void> {
  const { O_RDWR, O_CREAT, O_NONBLOCK = 0 } = constants;
  try {
    const made = await open(file, O_RDWR | O_CREAT | O_NONBLOCK, 0o600);
    const isFile = (await made.stat()).isFile();
    await made.close();
    if (!isFile) throw new Error('it is no regular file');
  } catch (cause) {
    const reason = unreadableReason(cause);
    throw new AppError('file_unusable', `Cannot open the database "${file}": ${reason}.`, { cause });
  }
}
