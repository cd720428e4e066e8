/**
 * Which failures are the disk's or the database's, and none of what was to be stored. The one place that knows their codes: whoever answers,
 * waits, tries again or gives up asks here.
 */
import { isAppError } from '../../shared/base/app-error.ts';
import type { ErrorCode } from '../../shared/errors/catalogue.ts';

/** In the order of their weight: of several at once the first is told. */
export const storageCodes = ['database_damaged', 'disk_full', 'disk_error', 'database_locked'] as const;
export type StorageCode = (typeof storageCodes)[number];

/** The first that fits. Memory shared with other connections is a file that must grow as well. */
const codes: readonly (readonly [StorageCode, RegExp])[] = [
  ['database_damaged', /^SQLITE_(CORRUPT|NOTADB)/],
  ['disk_full', /^(ENOSPC|EDQUOT|SQLITE_FULL|SQLITE_IOERR_SHMSIZE)$/],
  ['database_locked', /^SQLITE_(BUSY|LOCKED)/],
  ['disk_error', /^SQLITE_(IOERR|READONLY|CANTOPEN|PERM)/],
];

const NETWORK_CALL = /^(listen|bind|accept|connect|shutdown|getaddrinfo)$/;
const NETWORK_CODE = /^(ECONN|EPIPE|ENOTCONN|ETIMEDOUT|EHOST|ENET|EADDR)/;
/** The disk is well, only the file is not there. */
const NO_FILE = /^(ENOENT|ENOTDIR)$/;

/** Undefined for an error that disk and database have no part in. */
export function storageCodeOf(error: unknown): StorageCode | undefined {
  if (isAppError(error)) return isStorageCode(error.code) ? error.code : undefined;
  const code = codeOf(error);
  const known = codes.find(([, pattern]) => pattern.test(code))?.[0];
  return known ?? (isFileError(error, code) ? 'disk_error' : undefined);
}

function isStorageCode(code: ErrorCode): code is StorageCode {
  return (storageCodes as readonly string[]).includes(code);
}

/** Another process holds the database. */
export function isDatabaseLocked(error: unknown): boolean {
  return storageCodeOf(error) === 'database_locked';
}

/** Nothing can be stored or read now, whatever it is: the same may succeed later. */
export function isStorageTrouble(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'SQLITE_NOMEM' || (storageCodeOf(error) !== undefined && !NO_FILE.test(code));
}

/** The same, or an error of SQLite that no single row is the cause of: a transaction does not go on after it. */
export function isDatabaseTrouble(error: unknown): boolean {
  const code = codeOf(error);
  const isOfRow = /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/.test(code);
  return isStorageTrouble(error) || (code.startsWith('SQLITE_') && !isOfRow);
}

/** An error of a call to the operating system that has to do with files. */
function isFileError(error: unknown, code: string): boolean {
  if (!(error instanceof Error && 'errno' in error && 'syscall' in error)) return false;
  return !NETWORK_CALL.test(String(error.syscall)) && !NETWORK_CODE.test(code);
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
