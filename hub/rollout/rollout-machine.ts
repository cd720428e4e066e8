/**
 * The states of a rollout and the acts that lead from one to the next (picture: STATES.md). A pure table: an act that
 * is not in it is refused, whoever asks.
 */
import type { RolloutStatus } from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';

export const rolloutActs = [
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
export type RolloutAct = (typeof rolloutActs)[number];

const table: Readonly<Record<RolloutStatus, Partial<Readonly<Record<RolloutAct, RolloutStatus>>>>> = {
  draft: { submit: 'awaiting-approval', abort: 'aborted' },
  'awaiting-approval': { approve: 'scheduled', abort: 'aborted' },
  scheduled: { start: 'running', abort: 'aborted' },
  running: { pause: 'paused', complete: 'completed', abort: 'aborted', rollback: 'rolling-back' },
  paused: { resume: 'running', abort: 'aborted', rollback: 'rolling-back' },
  // A version can turn out bad after the last phase, and an abort may have kept devices on it.
  completed: { rollback: 'rolling-back' },
  // What was to be taken back by what a restored hub knew is left alone.
  aborted: { rollback: 'rolling-back', abandon: 'aborted' },
  'rolling-back': { 'finish-rollback': 'rolled-back', abandon: 'aborted' },
  'rolled-back': {},
};

/** Past participles, as they appear in the audit log and in messages. */
export const actDone: Readonly<Record<RolloutAct, string>> = {
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
};

/** What people may ask for; the other acts are the engine's own. */
const asked: ReadonlySet<string> = new Set<RolloutAct>(['approve', 'pause', 'resume', 'abort', 'rollback']);

/** The status after `act`. Throws `rollout_state_conflict` when the table has no such row. */
export function afterAct(status: RolloutStatus, act: RolloutAct, rolloutId: string): RolloutStatus {
  const next = table[status][act];
  if (next !== undefined) return next;
  const possible = Object.keys(table[status]).filter((name) => asked.has(name));
  throw new AppError(
    'rollout_state_conflict',
    `Cannot ${actText(act)} rollout "${rolloutId}": it is ${status}; possible now: ${possible.length === 0 ? 'nothing' : possible.join(', ')}.`,
    { details: { status, possible } },
  );
}

function actText(act: RolloutAct): string {
  return act === 'rollback' ? 'roll back' : act;
}

/** True while the rollout may still change devices by itself: no second rollout of the model may touch them. */
export function isUnderWay(status: RolloutStatus): boolean {
  return status !== 'completed' && status !== 'aborted' && status !== 'rolled-back';
}
