/** Failures of the database that say nothing about what was to be stored: the same may succeed later. */
import { isAppError } from '../../shared/base/app-error.ts';

const LOCKED = /^SQLITE_(BUSY|LOCKED)/;
const TROUBLE = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN|NOMEM)/;

/** Another process holds the database. */
export function isDatabaseLocked(error: unknown): boolean {
  return LOCKED.test(codeOf(error));
}

/** The disk, or the database file, cannot take anything now. */
export function isStorageTrouble(error: unknown): boolean {
  return TROUBLE.test(codeOf(error)) || isAppError(error, 'disk_full');
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
