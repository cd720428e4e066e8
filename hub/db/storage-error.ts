/** What a failure of disk or database means to whoever asked: a code, and what to do about it. */
import { asDiskError } from '../../platform/atomic-file.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { ErrorCode } from '../../shared/errors/catalogue.ts';

/** In the order of their weight: of several at once the first is told. */
export const storageCodes = ['database_damaged', 'disk_full', 'disk_error', 'database_locked'] as const;
export type StorageCode = (typeof storageCodes)[number];

/** What answers call the folder, whose path is nobody's business. */
export const hubDataFolder = "the hub's data folder";

const RETRY_MS: Readonly<Partial<Record<StorageCode, number>>> = {
  disk_full: 30_000,
  disk_error: 30_000,
  database_locked: 5_000,
};

const NETWORK_CALL = /^(listen|bind|accept|connect|shutdown|getaddrinfo)$/;
const NETWORK_CODE = /^(ECONN|EPIPE|ENOTCONN|ETIMEDOUT|EHOST|ENET|EADDR)/;

/** Undefined for an error that disk and database have no part in. `path` names what could not be written or read. */
export function storageError(error: unknown, path: string): AppError | undefined {
  // Told anew: the path it names may be nobody's business, and it does not say when to come back.
  if (isAppError(asDiskError(error, path), 'disk_full')) return fullDisk(path, error);
  if (isAppError(error)) return isStorageCode(error.code) ? error : undefined;
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code !== 'string') return undefined;
  const reason = errorText(error);
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return withRetry('database_damaged', `The database is damaged: ${reason}.`, error);
  }
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return withRetry('database_locked', `Cannot write "${path}": another process has locked it.`, error);
  }
  // Memory shared with other connections is a file that must grow as well.
  if (code === 'SQLITE_IOERR_SHMSIZE') return fullDisk(path, error);
  if (/^SQLITE_(IOERR|READONLY|CANTOPEN|PERM)/.test(code) || isFileError(error, code)) {
    return withRetry('disk_error', `Cannot use "${path}": ${reasonOf(code)}.`, error);
  }
  return undefined;
}

/** An error of a call to the operating system that has to do with files. */
function isFileError(error: unknown, code: string): boolean {
  if (!(error instanceof Error && 'errno' in error && 'syscall' in error)) return false;
  return !NETWORK_CALL.test(String(error.syscall)) && !NETWORK_CODE.test(code);
}

/** Not the error's own text, which names paths. */
function reasonOf(code: string): string {
  const text = code.startsWith('SQLITE_')
    ? 'SQLite cannot write or read it'
    : 'the system refused to write or read it';
  return `${text} (${code})`;
}

function fullDisk(path: string, cause: unknown): AppError {
  const message = `Cannot write "${path}": the disk is full. Nothing already stored was changed.`;
  return withRetry('disk_full', message, cause);
}

export function isStorageCode(code: ErrorCode): code is StorageCode {
  return (storageCodes as readonly string[]).includes(code);
}

function withRetry(code: StorageCode, message: string, cause: unknown): AppError {
  const retryAfterMs = RETRY_MS[code];
  return new AppError(code, message, { cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}
