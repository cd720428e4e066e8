import { AppError } from '../../shared/base/app-error.ts';

/** `what` says what cannot be done. An id that was right once may be that of a rollout that has left. */
export function noSuchRollout(what: string): AppError {
  return new AppError(
    'not_found',
    `Cannot ${what}: no rollout has this id. The hub deletes a rollout when it ended longer ago than --history-kept; the audit log still records it.`,
  );
}
