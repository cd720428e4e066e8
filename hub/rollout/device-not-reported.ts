import { AppError } from '../../shared/base/app-error.ts';

/** For an action whose result depends on what devices reported before a restore. `who` names them. */
export function deviceNotReported(what: string, who: string): AppError {
  return new AppError(
    'device_not_reported',
    `Cannot ${what}: the hub was restored from a backup and does not know yet what runs on ${who}.`,
  );
}
