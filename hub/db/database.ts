/**
 * Opens the hub's database: one SQLite file, one connection. Every commit is on the disk before it returns
 * (`synchronous=FULL`, promise P4). The one connection is handed to one user at a time (connection-queue.ts), so a transaction
 * runs alone; code inside a transaction must use the transaction it was given, or it waits for itself.
 */
import { constants, open as openFile } from 'node:fs/promises';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely, type LogEvent } from 'kysely';
import { unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { migrate } from './migrator.ts';
import { OneConnectionDialect } from './sqlite-driver.ts';
import { storageError } from './storage-error.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

export interface DatabaseOptions {
  /** Is called for every statement that fails. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Opens and, where needed, migrates. `file` may be `:memory:`. Throws `data_folder_newer`, `data_folder_incomplete` for one of
 * another program, `database_damaged`, `database_locked`, `disk_full` and `disk_error`.
 */
export async function openDatabase(file: string, options: DatabaseOptions = {}): Promise<Database> {
  // SQLite gives its journal files the mode of the database file.
  if (file !== ':memory:') await makeFile(file);
  try {
    return await open(file, options);
  } catch (error) {
    throw storageError(error, file) ?? error;
  }
}

async function open(file: string, { onError }: DatabaseOptions): Promise<Database> {
  const sqlite = new BetterSqlite3(file);
  sqlite.pragma(`busy_timeout = ${limits.databaseLockedMsMax}`);
  // Only a file without tables takes this; one that is older, when it is compacted (database-file.ts).
  sqlite.pragma('auto_vacuum = INCREMENTAL');
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  // While somebody reads for long (a backup), the log beside the database grows. SQLite keeps the space unless it is limited.
  sqlite.pragma(`journal_size_limit = ${limits.databaseLogBytesKeptMax}`);
  sqlite.pragma('foreign_keys = ON');
  // From here on the driver waits for who has locked the database: SQLite's own waiting would hold up everything.
  sqlite.pragma('busy_timeout = 0');
  const database: Database = new Kysely<Tables>({
    dialect: new OneConnectionDialect(sqlite),
    ...(onError === undefined
      ? {}
      : { log: (event: LogEvent) => (event.level === 'error' ? onError(event.error) : undefined) }),
  });
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
    const made = await openFile(file, O_RDWR | O_CREAT | O_NONBLOCK, 0o600);
    const isFile = (await made.stat()).isFile();
    await made.close();
    if (!isFile) throw new Error('it is not a regular file');
  } catch (cause) {
    const reason = unreadableReason(cause);
    throw new AppError('file_unusable', `Cannot open the database "${file}": ${reason}.`, { cause });
  }
}
