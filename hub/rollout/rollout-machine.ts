/**
 * The states of a rollout and the actions that lead from one to the next (picture: STATES.md). A pure table: an action that
 * is not in it is always refused.
 */
import type { RolloutStatus } from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';

export const rolloutActions = [
  'submit',
  'approve',
  'start',
  'pause',
  'resume',
  'complete',
  'abort',
  'rollback',
  'finish-rollback',
  'abandon',
] as const;
export type RolloutAction = (typeof rolloutActions)[number];

const table: Readonly<Record<RolloutStatus, Partial<Readonly<Record<RolloutAction, RolloutStatus>>>>> = {
  draft: { submit: 'awaiting-approval', abort: 'aborted' },
  'awaiting-approval': { approve: 'scheduled', abort: 'aborted' },
  scheduled: { start: 'running', abort: 'aborted' },
  running: { pause: 'paused', complete: 'completed', abort: 'aborted', rollback: 'rolling-back' },
  paused: { resume: 'running', abort: 'aborted', rollback: 'rolling-back' },
  // A version can turn out bad after the last phase, and an abort may have kept devices on it.
  completed: { rollback: 'rolling-back' },
  // A restored hub abandons pending reverts: it no longer knows what devices run.
  aborted: { rollback: 'rolling-back', abandon: 'aborted' },
  'rolling-back': { 'finish-rollback': 'rolled-back', abandon: 'aborted' },
  'rolled-back': {},
};

/** Past participles, as they appear in the audit log and in messages. */
export const pastParticiple = {
  submit: 'submitted',
  approve: 'approved',
  start: 'started',
  pause: 'paused',
  resume: 'resumed',
  complete: 'completed',
  abort: 'aborted',
  rollback: 'rollback_started',
  'finish-rollback': 'rolled_back',
  abandon: 'abandoned',
} as const satisfies Readonly<Record<RolloutAction, string>>;

/** What people may ask for; the other actions are the engine's own. */
const asked: ReadonlySet<string> = new Set<RolloutAction>([
  'approve',
  'pause',
  'resume',
  'abort',
  'rollback',
]);

/** The status after `action`. Throws `rollout_state_conflict` when the table has no such row. */
export function statusAfter(status: RolloutStatus, action: RolloutAction, rolloutId: string): RolloutStatus {
  const next = table[status][action];
  if (next !== undefined) return next;
  const possible = Object.keys(table[status]).filter((name) => asked.has(name));
  throw new AppError(
    'rollout_state_conflict',
    `Cannot ${actionText(action)} rollout "${rolloutId}": its status is ${status}; possible actions: ${possible.length === 0 ? 'none' : possible.join(', ')}.`,
    { details: { status, possible } },
  );
}

function actionText(action: RolloutAction): string {
  return action === 'rollback' ? 'roll back' : action;
}

/** True while the rollout may still change devices by itself: no second rollout of the model may touch them. */
export function isUnderWay(status: RolloutStatus): boolean {
  return status !== 'completed' && status !== 'aborted' && status !== 'rolled-back';
}
