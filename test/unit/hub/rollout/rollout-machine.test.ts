import { describe, expect, it } from 'vitest';
import {
  afterAct,
  isUnderWay,
  type RolloutAct,
  rolloutActs,
} from '../../../../hub/rollout/rollout-machine.ts';
import { type RolloutStatus, rolloutStatuses } from '../../../../shared/api/rollouts.ts';

const allowed: Readonly<Record<RolloutStatus, Partial<Record<RolloutAct, RolloutStatus>>>> = {
  draft: { submit: 'awaiting-approval', abort: 'aborted' },
  'awaiting-approval': { approve: 'scheduled', abort: 'aborted' },
  scheduled: { start: 'running', abort: 'aborted' },
  running: { pause: 'paused', complete: 'completed', abort: 'aborted', rollback: 'rolling-back' },
  paused: { resume: 'running', abort: 'aborted', rollback: 'rolling-back' },
  completed: { rollback: 'rolling-back' },
  aborted: { rollback: 'rolling-back', abandon: 'aborted' },
  'rolling-back': { 'finish-rollback': 'rolled-back', abandon: 'aborted' },
  'rolled-back': {},
};
const pairs = rolloutStatuses.flatMap((status) => rolloutActs.map((act) => [status, act] as const));

describe('afterAct()', () => {
  it.each(pairs)('%s × %s', (status, act) => {
    const next = allowed[status][act];
    if (next) expect(afterAct(status, act, 'r-1')).toBe(next);
    else {
      expect(() => afterAct(status, act, 'r-1')).toThrow(
        expect.objectContaining({ code: 'rollout_state_conflict' }),
      );
    }
  });

  it('names the state and what one can ask for in it', () => {
    expect(() => afterAct('running', 'resume', 'r-1')).toThrow(
      'Cannot resume rollout "r-1": it is running; possible now: pause, abort, rollback.',
    );
    expect(() => afterAct('rolled-back', 'rollback', 'r-1')).toThrow('Cannot roll back rollout "r-1"');
    expect(() => afterAct('rolling-back', 'abort', 'r-1')).toThrow('possible now: nothing.');
  });
});

describe('isUnderWay()', () => {
  it('is true until a rollout has ended', () => {
    expect(rolloutStatuses.filter(isUnderWay)).toEqual([
      'draft',
      'awaiting-approval',
      'scheduled',
      'running',
      'paused',
      'rolling-back',
    ]);
  });
});
