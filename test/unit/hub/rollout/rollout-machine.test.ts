import { describe, expect, it } from 'vitest';
import {
  isUnderWay,
  type RolloutAction,
  rolloutActions,
  statusAfter,
} from '../../../../hub/rollout/rollout-machine.ts';
import { type RolloutStatus, rolloutStatuses } from '../../../../shared/api/rollouts.ts';

const allowed: Readonly<Record<RolloutStatus, Partial<Record<RolloutAction, RolloutStatus>>>> = {
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
const pairs = rolloutStatuses.flatMap((status) => rolloutActions.map((action) => [status, action] as const));

describe('statusAfter()', () => {
  it.each(pairs)('%s × %s', (status, action) => {
    const next = allowed[status][action];
    if (next) expect(statusAfter(status, action, 'r-1')).toBe(next);
    else {
      expect(() => statusAfter(status, action, 'r-1')).toThrow(
        expect.objectContaining({ code: 'rollout_state_conflict' }),
      );
    }
  });

  it('names the state and the actions it allows', () => {
    expect(() => statusAfter('running', 'resume', 'r-1')).toThrow(
      'Cannot resume rollout "r-1": its status is running; possible actions: pause, abort, rollback.',
    );
    expect(() => statusAfter('rolled-back', 'rollback', 'r-1')).toThrow('Cannot roll back rollout "r-1"');
    expect(() => statusAfter('rolling-back', 'abort', 'r-1')).toThrow('possible actions: none.');
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
