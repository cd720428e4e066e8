import { AppError } from '../../shared/base/app-error.ts';

/** `what` names the action that fails. An id that was once valid may be that of a rollout that retention deleted. */
export function noSuchRollout(what: string): AppError {
  return new AppError(
    'not_found',
    `Cannot ${what}: no rollout has this id. The hub deletes a rollout when it ended longer ago than --history-kept; the audit log still records it.`,
  );
}
