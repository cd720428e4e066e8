/** What a failure of disk or database means to whoever asked: a code, and what to do about it. */
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { type StorageCode, storageCodeOf } from './storage-trouble.ts';

/** What answers call the folder, whose path is nobody's business. */
export const hubDataFolder = "the hub's data folder";

const RETRY_MS: Readonly<Partial<Record<StorageCode, number>>> = {
  disk_full: 30_000,
  disk_error: 30_000,
  database_locked: 5_000,
};

/** Undefined for an error that disk and database have no part in. `path` names what could not be written or read. */
export function storageError(error: unknown, path: string): AppError | undefined {
  const code = storageCodeOf(error);
  if (code === undefined) return undefined;
  // A full disk is told anew: the path it names may be nobody's business, and it does not say when to come back.
  if (isAppError(error) && code !== 'disk_full') return error;
  const retryAfterMs = RETRY_MS[code];
  return new AppError(code, messageOf(code, error, path), {
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function messageOf(code: StorageCode, error: unknown, path: string): string {
  switch (code) {
    case 'database_damaged':
      return `The database is damaged: ${errorText(error)}.`;
    case 'disk_full':
      return `Cannot write "${path}": the disk is full. Nothing already stored was changed.`;
    case 'database_locked':
      return `Cannot write "${path}": another process has locked it.`;
    case 'disk_error':
      return `Cannot use "${path}": ${reasonOf(String((error as { readonly code?: unknown }).code))}.`;
  }
}

/** Not the error's own text, which names paths. */
function reasonOf(code: string): string {
  const text = code.startsWith('SQLITE_')
    ? 'SQLite cannot write or read it'
    : 'the system refused to write or read it';
  return `${text} (${code})`;
}
