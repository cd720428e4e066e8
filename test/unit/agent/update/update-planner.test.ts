import { describe, expect, it } from 'vitest';
import { admissionFault, planUpdate, type Situation } from '../../../../agent/update/update-planner.ts';
import { type Attempt, noFigures, type UpdateRecord } from '../../../../agent/update/update-record.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { UpdateState } from '../../../../shared/protocol/update-event.ts';

const digest = (letter: string) => letter.repeat(64);
const trial = { seconds: 60, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 1 };
const desired = {
  model: 'm',
  version: '2.0.0',
  release: 2,
  manifest: digest('b'),
  trial,
  sequence: 5,
  rollout: 'r-00000001',
};
const older = { manifest: digest('a'), version: '1.0.0', release: 1, provider: 'cpu' };

function attempt(state: UpdateState, more: Partial<Attempt> = {}): Attempt {
  return {
    version: '2.0.0',
    release: 2,
    manifest: digest('b'),
    rollout: 'r-00000001',
    sequence: 5,
    trial,
    state,
    since: 0,
    restarts: 0,
    failures: 0,
    trialSpentMs: 0,
    trialBefore: noFigures,
    event: 1,
    announced: true,
    ...more,
  };
}

function situation(
  more: Partial<Situation> = {},
  state?: UpdateState,
  change: Partial<Attempt> = {},
): Situation {
  const record: UpdateRecord = { v: 2, model: 'm', stream: '0'.repeat(16), quarantined: [], answered: [] };
  return {
    desired,
    record: state ? { ...record, attempt: attempt(state, change) } : record,
    slots: { active: older, previous: [], floor: 1 },
    isHeld: false,
    isConnected: true,
    isOrderedBack: false,
    retryInMs: 0,
    ...more,
  };
}

const plan = (...args: Parameters<typeof situation>) => planUpdate(situation(...args));
const act = (name: string) =>
  expect.objectContaining({ kind: 'act', step: expect.objectContaining({ name }) });

describe('planUpdate, settled', () => {
  it('begins what the hub wants and the device does not run', () => {
    expect(plan()).toEqual({ kind: 'move', event: 'wanted' });
    expect(plan({}, 'rolled-back', { manifest: digest('c') })).toEqual({ kind: 'move', event: 'wanted' });
  });

  it('rests when the hub wants nothing, or what runs already', () => {
    expect(plan({ desired: undefined })).toEqual({ kind: 'rest' });
    const slots = { active: { ...older, manifest: digest('b') }, previous: [], floor: 2 };
    expect(plan({ slots }, 'committed')).toEqual({ kind: 'rest' });
  });

  it('says that it runs the version already, once for each rollout', () => {
    const slots = { active: { ...older, manifest: digest('b') }, previous: [], floor: 2 };
    expect(plan({ slots })).toEqual({ kind: 'move', event: 'confirmed' });
    expect(plan({ slots }, 'committed', { rollout: 'r-00000009' })).toEqual({
      kind: 'move',
      event: 'confirmed',
    });
  });

  it('says so again when the version was withdrawn and offered again before it received either statement', () => {
    const slots = { active: { ...older, manifest: digest('b') }, previous: [], floor: 2 };
    const again = { ...desired, offer: 9 };
    expect(plan({ slots, desired: again }, 'committed')).toEqual({ kind: 'move', event: 'confirmed' });
    expect(plan({ slots, desired: again }, 'committed', { offer: 9 })).toEqual({ kind: 'rest' });
  });

  it('keeps saying why it refused a version when the rollout that brought it sends it to what runs already', () => {
    const back = { ...desired, manifest: older.manifest, version: '1.0.0', offer: 9 };
    for (const state of ['rejected', 'rolled-back'] as const) {
      expect(plan({ desired: back }, state, { offer: 5 })).toEqual({ kind: 'rest' });
    }
  });

  it('does not try again what it refused for the same desired', () => {
    const { record } = situation();
    const answered = [{ manifest: digest('b'), desiredKey: 'r-00000001' }];
    expect(plan({ record: { ...record, answered } })).toEqual({ kind: 'rest' });
    const other = { ...desired, rollout: 'r-00000002' };
    expect(plan({ record: { ...record, answered }, desired: other })).toEqual({
      kind: 'move',
      event: 'wanted',
    });
  });

  it('finishes what the journal says when the slots are behind it', () => {
    const slots = { active: older, trial: { ...older, manifest: digest('b') }, previous: [], floor: 1 };
    expect(plan({ slots }, 'committed')).toEqual(act('commit'));
    expect(plan({ slots }, 'rolled-back')).toEqual(act('rollBack'));
  });

  it('goes back when ordered', () => {
    expect(plan({ isOrderedBack: true }, 'committed')).toMatchObject({ kind: 'move', event: 'ordered' });
  });
});

describe('planUpdate, under way', () => {
  const steps: readonly (readonly [UpdateState, string])[] = [
    ['checking', 'check'],
    ['downloading', 'download'],
    ['verifying', 'verify'],
    ['qualifying', 'qualify'],
    ['activating', 'activate'],
    ['rolling-back', 'rollBack'],
  ];
  for (const [state, name] of steps) {
    it(`does the work of ${state}`, () => {
      expect(plan({}, state)).toEqual(act(name));
    });

    it(`waits in ${state} after a failure`, () => {
      expect(plan({ retryInMs: 700 }, state)).toEqual({ kind: 'rest', wakeInMs: 700 });
    });

    if (state === 'rolling-back') continue;
    it(`gives ${state} up after too many restarts`, () => {
      const restarts = limits.restartsPerStateMax;
      expect(plan({}, state, { restarts })).toEqual(act(name));
      expect(plan({}, state, { restarts: restarts + 1 })).toMatchObject({
        kind: 'move',
        event: 'looped',
        fault: { code: 'restart_loop' },
      });
    });
  }

  it('asks the hub for nothing while it is not there, and goes on with what is here', () => {
    expect(plan({ isConnected: false }, 'checking')).toEqual({ kind: 'rest' });
    expect(plan({ isConnected: false }, 'verifying')).toEqual(act('verify'));
  });

  it('holds before anything is switched, as long as somebody asks for it', () => {
    expect(plan({}, 'staged')).toEqual({ kind: 'move', event: 'passed' });
    expect(plan({ isHeld: true }, 'staged')).toEqual({ kind: 'move', event: 'hold' });
    expect(plan({ isHeld: true }, 'held')).toMatchObject({ kind: 'rest' });
    expect(plan({}, 'held')).toEqual({ kind: 'move', event: 'released' });
    expect(plan({}, 'held', { restarts: 99 })).toEqual({ kind: 'move', event: 'released' });
  });

  for (const state of ['checking', 'downloading', 'verifying', 'staged', 'held', 'qualifying'] as const) {
    it(`gives ${state} up when the hub wants another version or none`, () => {
      const superseded = { kind: 'move', event: 'superseded', fault: { code: 'desired_changed' } };
      expect(plan({ desired: { ...desired, manifest: digest('a') } }, state)).toMatchObject(superseded);
      expect(plan({ desired: undefined }, state)).toMatchObject(superseded);
    });
  }

  it('leaves a version that answers where it is when the hub names none, and goes back when it names another', () => {
    const inTrial = { trial: { figures: noFigures, spentMs: 0 } };
    expect(plan({ ...inTrial, desired: undefined }, 'trial')).toMatchObject({ kind: 'rest' });
    expect(plan({ ...inTrial, desired: { ...desired, manifest: digest('a') } }, 'trial')).toMatchObject({
      event: 'superseded',
    });
  });

  it('ends going back before it follows another desired', () => {
    expect(plan({ desired: { ...desired, manifest: digest('a') } }, 'rolling-back')).toEqual(act('rollBack'));
  });

  it('goes back by order only where something was switched', () => {
    expect(plan({ isOrderedBack: true }, 'activating')).toMatchObject({ event: 'ordered' });
    expect(plan({ isOrderedBack: true }, 'downloading')).toEqual(act('download'));
  });
});

describe('planUpdate, in trial', () => {
  const look = (requests: number, failed: number, crashes: number, spentMs: number) =>
    plan({ trial: { figures: { requests, failed, crashes }, spentMs } }, 'trial');

  it('goes on until the time is over, then commits', () => {
    expect(look(100, 0, 0, 59_500)).toEqual({ kind: 'rest', wakeInMs: 500 });
    expect(look(10, 0, 0, 60_000)).toEqual({ kind: 'move', event: 'passed' });
  });

  it('goes on after its time while requests are wanting, and looks again in a while', () => {
    expect(look(9, 0, 0, 60_000)).toEqual({ kind: 'rest', wakeInMs: 1_000 });
  });

  it('goes back on crashes over the limit, however few requests', () => {
    expect(look(0, 0, 1, 0)).toMatchObject({ kind: 'rest' });
    expect(look(0, 0, 2, 0)).toMatchObject({ event: 'failed', fault: { code: 'trial_crashed' } });
  });

  it('goes back on errors that are no chance', () => {
    expect(look(10, 5, 0, 0)).toMatchObject({ kind: 'rest' });
    expect(look(10, 6, 0, 0)).toMatchObject({ event: 'failed', fault: { code: 'trial_error_rate' } });
  });

  it('judges before it commits', () => {
    expect(look(10, 2, 0, 60_000)).toMatchObject({ event: 'failed' });
  });

  it('goes back when the version does not serve after a restart', () => {
    expect(plan({}, 'trial')).toMatchObject({ event: 'failed', fault: { code: 'trial_not_serving' } });
  });
});

describe('admissionFault', () => {
  const { record } = situation();
  const slots = {
    active: { ...older, release: 4 },
    previous: [{ ...older, manifest: digest('e'), release: 2 }],
    floor: 5,
  };
  const candidate = { version: '2.0.0', release: 2, manifest: digest('b') };

  it('refuses a quarantined version until its time is over', () => {
    const quarantined = [{ manifest: digest('b'), version: '2.0.0', until: 1_000, reason: 'golden' }];
    const higher = { ...candidate, release: 9 };
    expect(admissionFault(higher, { ...record, quarantined }, slots, 999)).toMatchObject({
      code: 'version_quarantined',
      // A time that is still true when it is read.
      message: 'Version 2.0.0 is quarantined on this device until 1970-01-01T00:00:01.000Z: golden',
    });
    expect(admissionFault(higher, { ...record, quarantined }, slots, 1_000)).toBeUndefined();
  });

  it('quarantines for a day at most, also when the clock was years ahead when it quarantined', () => {
    const until = 20 * 365 * 86_400_000;
    const quarantined = [{ manifest: digest('b'), version: '2.0.0', until, reason: 'golden' }];
    expect(
      admissionFault({ ...candidate, release: 9 }, { ...record, quarantined }, slots, 1_000),
    ).toBeUndefined();
  });

  it('refuses a release below the floor unless the device keeps that very version', () => {
    expect(admissionFault(candidate, record, slots, 0)).toMatchObject({ code: 'downgrade_refused' });
    expect(admissionFault({ ...candidate, manifest: digest('e') }, record, slots, 0)).toBeUndefined();
    expect(admissionFault({ ...candidate, release: 5 }, record, slots, 0)).toBeUndefined();
  });
});
