/**
 * Opens the hub's database: one SQLite file, one connection. Every commit is on the disk before it returns
 * (`synchronous=FULL`, promise P4). Kysely hands the one connection to one user at a time, so a transaction runs alone; code
 * inside a transaction must use the transaction it was given, or it waits for itself.
 */
import { open } from 'node:fs/promises';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { migrate } from './migrator.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

const BUSY_MS = 5_000;

/** Opens and, where needed, migrates. `file` may be `:memory:`. Throws `data_folder_newer`. */
export async function openDatabase(file: string): Promise<Database> {
  // SQLite gives its journal files the mode of the database file.
  if (file !== ':memory:') await (await open(file, 'a', 0o600)).close();
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
