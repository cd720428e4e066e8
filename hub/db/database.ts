/**
 * Opens the hub's database: one SQLite file, one connection. Every commit is on the disk before it returns
 * (`synchronous=FULL`, promise P4). The one connection is handed to one user at a time (connection-turns.ts), so a transaction
 * runs alone; code inside a transaction must use the transaction it was given, or it waits for itself.
 */
import { constants, open } from 'node:fs/promises';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely } from 'kysely';
import { unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { migrate } from './migrator.ts';
import { OneConnectionDialect } from './sqlite-driver.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

/** Opens and, where needed, migrates. `file` may be `:memory:`. Throws `data_folder_newer`. */
export async function openDatabase(file: string): Promise<Database> {
  // SQLite gives its journal files the mode of the database file.
  if (file !== ':memory:') await makeFile(file);
  const sqlite = new BetterSqlite3(file);
  sqlite.pragma(`busy_timeout = ${limits.databaseLockedMsMax}`);
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  // From here on the driver waits for who has locked the database: SQLite's own waiting would hold up everything.
  sqlite.pragma('busy_timeout = 0');
  const database: Database = new Kysely<Tables>({ dialect: new OneConnectionDialect(sqlite) });
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
