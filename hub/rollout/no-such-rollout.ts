import { AppError } from '../../shared/base/app-error.ts';

/** `what` says what cannot be done. An id that was right once may be that of a rollout that has left. */
export function noSuchRollout(what: string): AppError {
  return new AppError(
    'not_found',
    `Cannot ${what}: there is none of that id. One that ended longer ago than --history-kept has left; the audit log records it.`,
  );
}
