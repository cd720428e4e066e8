import { describe, expect, it } from 'vitest';
import type { RolloutDevice } from '../../../../hub/rollout/device-progress.ts';
import { makePlan } from '../../../../hub/rollout/rollout-plan.ts';
import {
  planNextSteps,
  type RolloutObservation,
  type RolloutView,
} from '../../../../hub/rollout/rollout-planner.ts';
import { limits } from '../../../../shared/base/limits.ts';

const t0 = 1_000_000;
const plan = makePlan({
  model: 'm',
  version: '2.0.0',
  phases: [{ devices: 1 }, { percent: 50 }, { percent: 100 }],
  soakMs: 10_000,
});
const observation: RolloutObservation = {
  now: t0,
  watchingSince: 0,
  downloads: new Map(),
  connected: new Set(),
  requests: null,
  drift: null,
  withdrawnReason: null,
};

function device(ordinal: number, part: Partial<RolloutDevice> = {}): RolloutDevice {
  const status = part.status ?? 'pending';
  const isOffered = status !== 'pending';
  return {
    deviceId: `d${ordinal}`,
    ordinal,
    status,
    assigned: isOffered && status !== 'withdrawn',
    sequence: isOffered ? 2 : null,
    previousVersion: isOffered ? '1.0.0' : null,
    offeredAt: isOffered ? t0 : null,
    changedAt: t0,
    lastReportedAt: null,
    revertedAt: null,
    revertOutcome: null,
    triedAt: null,
    fault: null,
    removedAt: null,
    ...part,
  };
}

function view(part: Partial<RolloutView>, statuses: readonly RolloutDevice['status'][] = []): RolloutView {
  const devices = Array.from({ length: Math.max(10, statuses.length) }, (_, n) => {
    const status = statuses[n];
    return device(n, status ? { status } : {});
  });
  return {
    id: 'r-1',
    plan,
    status: 'running',
    phase: 0,
    createdAt: t0,
    startedAt: t0,
    phaseStartedAt: t0,
    ending: null,
    devices,
    ...part,
  };
}

describe('planNextSteps()', () => {
  it('offers nothing to a device that was removed, waits for none, and judges the phase by the others', () => {
    const removedAt = t0 + 1;
    const devices = [
      device(0, { status: 'succeeded' }),
      device(1, { status: 'trial', removedAt }),
      device(2, { removedAt }),
      device(3, { status: 'rolled-back', removedAt }),
    ];
    const all = { ...plan, phases: [{ percent: 100 }] };
    const later = { ...observation, now: t0 + all.soakMs };
    const { steps, judged } = planNextSteps(view({ plan: all, devices }), later);
    expect(steps).toMatchObject([{ kind: 'action', action: 'complete' }]);
    expect(judged?.inputs).toMatchObject({ devices: 1, counts: { succeeded: 1 }, settledAt: t0 });
    const begun = planNextSteps(view({ plan: all, devices: [device(0), device(1, { removedAt })] }), later);
    expect(begun.steps).toEqual([{ kind: 'offer', deviceIds: ['d0'] }]);
  });

  it('does not count the time of a phase in which a device of it was queued for its download, or the hub did not watch', () => {
    const patient = { ...plan, phases: [{ percent: 100 }], deviceTimeoutMs: 10 * plan.phaseTimeoutMs };
    const now = t0 + plan.phaseTimeoutMs;
    const running = view({
      plan: patient,
      devices: [device(0, { status: 'downloading' }), device(1, { status: 'trial' })],
    });
    const look = (part: Partial<RolloutObservation>) =>
      planNextSteps(running, { ...observation, now, connected: new Set(['d0', 'd1']), ...part });
    expect(look({}).steps).toMatchObject([{ kind: 'action', action: 'pause' }]);
    const waited = new Map([['d0', { waitedUntil: now - 1_000, isMoving: false }]]);
    expect(look({ downloads: waited })).toMatchObject({ steps: [], evaluateAgainAt: expect.any(Number) });
    expect(look({ downloads: waited }).evaluateAgainAt).toBeLessThanOrEqual(
      now - 1_000 + plan.phaseTimeoutMs,
    );
    const over = { downloads: waited, now: now - 1_000 + plan.phaseTimeoutMs };
    expect(look(over).steps).toMatchObject([{ kind: 'action', action: 'pause' }]);
    expect(look({ watchingSince: now - 1_000 }).steps).toEqual([]);
    // It waited for something else before it came to its end here.
    const done = view({
      plan: patient,
      devices: [device(0, { status: 'succeeded' }), device(1, { status: 'trial' })],
    });
    const seen = { ...observation, now, connected: new Set(['d1']), downloads: waited };
    expect(planNextSteps(done, seen).steps).toMatchObject([{ kind: 'action', action: 'pause' }]);
  });

  it('gives the place of a removed device to the next in the order', () => {
    const devices = [device(0, { removedAt: t0 }), device(1), device(2)];
    expect(planNextSteps(view({ devices }), observation).steps).toEqual([
      { kind: 'offer', deviceIds: ['d1'] },
    ]);
  });

  it.each(['scheduled', 'running', 'paused'] as const)(
    'ends a rollout that is %s and has no device left, and does not report success',
    (status) => {
      const devices = [device(0, { status: 'succeeded', removedAt: t0 }), device(1, { removedAt: t0 })];
      expect(planNextSteps(view({ status, devices }), observation).steps).toEqual([
        {
          kind: 'action',
          action: 'abort',
          reason: 'every device of it was removed from the hub',
          ending: 'keep',
        },
      ]);
    },
  );

  it('retries a statement that could not be sent after a while, and not before', () => {
    const all = { ...plan, phases: [{ percent: 100 }] };
    const tried = { triedAt: t0, assigned: true, changedAt: t0 };
    const blocked = device(0, { status: 'blocked', offeredAt: null, assigned: false, triedAt: t0 });
    const running = view({ plan: all, devices: [blocked, device(1, { status: 'trial' })] });
    expect(planNextSteps(running, observation)).toMatchObject({
      steps: [],
      evaluateAgainAt: t0 + limits.rolloutTryAgainMs,
    });
    const later = { ...observation, now: t0 + limits.rolloutTryAgainMs };
    expect(planNextSteps(running, later).steps).toEqual([{ kind: 'offer', deviceIds: ['d0'] }]);
    for (const status of ['aborted', 'rolling-back'] as const) {
      const ending = view({ status, ending: 'revert', devices: [device(0, { status: 'trial', ...tried })] });
      expect(planNextSteps(ending, observation)).toEqual({
        steps: [],
        evaluateAgainAt: t0 + limits.rolloutTryAgainMs,
      });
      expect(planNextSteps(ending, later).steps).toEqual([{ kind: 'revert', deviceIds: ['d0'] }]);
    }
  });

  it('starts a scheduled rollout when its time has come', () => {
    const later = { ...plan, startAt: t0 + 5_000 };
    expect(planNextSteps(view({ status: 'scheduled', plan: later }), observation)).toEqual({
      steps: [],
      evaluateAgainAt: t0 + 5_000,
    });
    const { steps } = planNextSteps(view({ status: 'scheduled', plan: later }), {
      ...observation,
      now: t0 + 5_000,
    });
    expect(steps).toMatchObject([{ kind: 'action', action: 'start' }]);
  });

  it('offers to the devices of the phase that wait, and to no others', () => {
    expect(planNextSteps(view({}), observation).steps).toEqual([{ kind: 'offer', deviceIds: ['d0'] }]);
    expect(planNextSteps(view({ phase: 1 }, ['succeeded', 'withdrawn']), observation).steps).toEqual([
      { kind: 'offer', deviceIds: ['d1', 'd2', 'd3', 'd4'] },
    ]);
  });

  it('offers to a bounded number at once', () => {
    const devices = Array.from({ length: 1_000 }, (_, n) => device(n));
    const [step] = planNextSteps(view({ devices, phase: 2 }), observation).steps;
    expect(step).toMatchObject({ kind: 'offer' });
    expect(step?.kind === 'offer' && step.deviceIds.length).toBe(limits.rolloutChangesPerStepMax);
  });

  it('offers nothing more once the phase has failed', () => {
    const { steps } = planNextSteps(view({ phase: 2 }, ['rejected', 'rejected']), observation);
    expect(steps).toMatchObject([{ kind: 'action', action: 'abort', ending: 'revert' }]);
  });

  it('waits for the next instant at which time alone changes something', () => {
    const waiting = view({}, ['downloading']);
    expect(planNextSteps(waiting, { ...observation, now: t0 + 1 })).toMatchObject({
      steps: [],
      evaluateAgainAt: t0 + plan.silenceMs,
    });
    const soaking = view({}, ['succeeded']);
    expect(planNextSteps(soaking, { ...observation, now: t0 + 1 })).toMatchObject({
      steps: [],
      evaluateAgainAt: t0 + 10_000,
    });
  });

  it('goes to the next phase after the soak, and completes after the last', () => {
    const soaked = { ...observation, now: t0 + 10_000 };
    expect(planNextSteps(view({}, ['succeeded']), soaked).steps).toEqual([{ kind: 'start-phase', phase: 1 }]);
    const all = view({ phase: 2 }, Array(10).fill('succeeded'));
    expect(planNextSteps(all, soaked).steps).toMatchObject([{ kind: 'action', action: 'complete' }]);
  });

  it('only pauses on failure when the plan requires it', () => {
    const pausing = view({ plan: { ...plan, onFailure: 'pause' } }, ['rolled-back']);
    expect(planNextSteps(pausing, observation).steps).toMatchObject([{ kind: 'action', action: 'pause' }]);
  });

  it.each(['paused', 'aborted'] as const)(
    'withdraws, when %s and keeping, what was not switched to',
    (status) => {
      const stopped = view({ status, phase: 2, ending: 'keep' }, [
        'succeeded',
        'trial',
        'offered',
        'qualifying',
        'failed',
        'withdrawn',
      ]);
      expect(planNextSteps(stopped, observation).steps).toEqual([
        { kind: 'revert', deviceIds: ['d2', 'd3', 'd4'] },
      ]);
    },
  );

  it('reverts everything when aborted without keeping', () => {
    const stopped = view({ status: 'aborted', ending: 'revert' }, ['succeeded', 'trial', 'withdrawn']);
    expect(planNextSteps(stopped, observation).steps).toEqual([{ kind: 'revert', deviceIds: ['d0', 'd1'] }]);
  });

  it('has rolled back when every device has been rolled back or is silent, and not before', () => {
    const back = { status: 'withdrawn', assigned: false, revertedAt: t0 } as const;
    const waits = { status: 'withdrawn', assigned: false } as const;
    const rolling = (second: Partial<RolloutDevice>) =>
      view({ status: 'rolling-back', devices: [device(0, back), device(1, second)] });
    expect(planNextSteps(rolling(back), observation).steps).toMatchObject([
      { action: 'finish-rollback', reason: 'every device has been rolled back' },
    ]);
    expect(planNextSteps(rolling(waits), observation)).toMatchObject({
      steps: [],
      evaluateAgainAt: t0 + plan.silenceMs,
    });
    const late = { ...observation, now: t0 + plan.silenceMs };
    expect(planNextSteps(rolling(waits), late).steps).toMatchObject([{ action: 'finish-rollback' }]);
    expect(planNextSteps(rolling(waits), { ...late, watchingSince: t0 + 1 }).steps).toEqual([]);
    const alive = { ...late, connected: new Set(['d1']) };
    expect(planNextSteps(rolling(waits), alive).steps).toEqual([]);
    const tooLate = { ...alive, now: t0 + plan.deviceTimeoutMs };
    expect(planNextSteps(rolling(waits), tooLate).steps).toMatchObject([
      {
        action: 'finish-rollback',
        reason:
          '1 of 2 devices have been rolled back; 1 did not go back in time and go back when they return: "d1"',
      },
    ]);
  });

  it('plans for as many devices as a rollout may have', () => {
    const count = limits.devicesPerRolloutMax;
    const devices = Array.from({ length: count }, (_, n) => device(n, { status: 'offered' }));
    const { steps, evaluateAgainAt } = planNextSteps(view({ phase: 2, devices }), observation);
    expect({ steps, evaluateAgainAt }).toEqual({ steps: [], evaluateAgainAt: t0 + plan.silenceMs });
  });

  it.each(['draft', 'awaiting-approval', 'completed', 'rolled-back'] as const)(
    'does nothing when %s',
    (status) => {
      expect(planNextSteps(view({ status }, ['succeeded', 'failed']), observation)).toEqual({ steps: [] });
    },
  );
});
