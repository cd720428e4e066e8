/**
 * A process of its own that reads the whole database and prints what is wrong in it as JSON: SQLite blocks the calling process
 * for as long as that takes, and a disk that fails while it is read crashes the reader. Argument: the file.
 */
import { setPriority } from 'node:os';
import BetterSqlite3 from 'better-sqlite3';
import { errorText } from '../../shared/base/app-error.ts';
import { safeJson } from '../../shared/base/safe-text.ts';
import { storageCodeOf } from '../db/storage-trouble.ts';

const FAULTS_MAX = 10;
const LOWEST_PRIORITY = 19;

/** Nothing for an intact database. */
function faultsOf(file: string): string[] {
  try {
    const database = new BetterSqlite3(file, { readonly: true, fileMustExist: true });
    const rows = database.pragma(`integrity_check(${FAULTS_MAX})`) as { integrity_check: string }[];
    return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  } catch (error) {
    if (storageCodeOf(error) === 'database_damaged') return [errorText(error)];
    throw error;
  }
}

setPriority(LOWEST_PRIORITY);
// Names of tables are part of it, and the file may come from anywhere.
process.stdout.write(safeJson(JSON.stringify(faultsOf(process.argv[2] ?? ''))));
