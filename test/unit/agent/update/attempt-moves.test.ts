import { describe, expect, it } from 'vitest';
import { applyMove } from '../../../../agent/update/attempt-moves.ts';
import { judgeFailure, quarantineFor, toFault } from '../../../../agent/update/failure-policy.ts';
import type { UpdateRecord } from '../../../../agent/update/update-record.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { UpdateFault } from '../../../../shared/protocol/update-event.ts';

const manifest = 'b'.repeat(64);
const trial = { seconds: 60, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 1 };
const desired = {
  model: 'm',
  version: '2.0.0',
  release: 2,
  manifest,
  trial,
  sequence: 5,
  rollout: 'r-00000001',
};
const empty: UpdateRecord = { v: 2, model: 'm', stream: '0'.repeat(16), quarantined: [], answered: [] };
const slots = {
  active: { manifest: 'a'.repeat(64), version: '1.0.0', release: 1, provider: 'cpu' },
  previous: [],
  floor: 1,
};
const golden: UpdateFault = { code: 'golden_mismatch', message: 'y is off', retry: 'never' };
const changed: UpdateFault = { code: 'desired_changed', message: 'other', retry: 'later' };

const move = (record: UpdateRecord, event: Parameters<typeof applyMove>[0]['event'], fault?: UpdateFault) =>
  applyMove({ record, event, fault, desired, slots, nowMs: 1_000 });
const upTo = (...events: Parameters<typeof applyMove>[0]['event'][]) =>
  events.reduce((record, event) => move(record, event), empty);
const toTrial = ['wanted', 'passed', 'passed', 'passed', 'passed', 'passed', 'passed'] as const;

describe('applyMove', () => {
  it('begins an attempt from the desired version', () => {
    expect(move(empty, 'wanted').attempt).toMatchObject({
      state: 'checking',
      version: '2.0.0',
      rollout: 'r-00000001',
      event: 1,
      announced: false,
    });
  });

  it('numbers each state’s event and counts restarts anew', () => {
    const record = upTo('wanted', 'passed');
    const restarted = { ...record, attempt: { ...record.attempt!, restarts: 3 } };
    expect(move(restarted, 'passed').attempt).toMatchObject({ state: 'verifying', event: 3, restarts: 0 });
  });

  it('quarantines a version that was refused, and answers the desired version', () => {
    const record = move(upTo('wanted'), 'failed', golden);
    expect(record.attempt).toMatchObject({ state: 'rejected', fault: golden });
    expect(record.quarantined).toMatchObject([{ manifest, until: 1_000 + limits.quarantineMs }]);
    expect(record.answered).toEqual([{ manifest, desiredKey: 'r-00000001', sequence: 5 }]);
  });

  it('keeps the reason over going back, and quarantines once it has ended', () => {
    const back = move(upTo(...toTrial), 'failed', golden);
    expect(back.quarantined).toEqual([]);
    const record = move(back, 'passed');
    expect(record.attempt).toMatchObject({ state: 'rolled-back', fault: golden });
    expect(record.quarantined).toHaveLength(1);
  });

  it('holds nothing against a version that the hub no longer wants', () => {
    const record = move(move(upTo(...toTrial), 'superseded', changed), 'passed');
    expect(record.attempt).toMatchObject({ state: 'rolled-back', fault: changed });
    expect(record.quarantined).toEqual([]);
    expect(record.answered).toEqual([]);
  });

  it('forgets old faults when it goes on', () => {
    const record = upTo('wanted');
    const waiting = { ...record, attempt: { ...record.attempt!, fault: changed } };
    expect(move(waiting, 'passed').attempt?.fault).toBeUndefined();
  });

  it('takes an order in a settled state as one about the active version', () => {
    expect(move(empty, 'ordered').attempt).toMatchObject({ version: '1.0.0', state: 'rolling-back' });
  });

  it('follows a newer statement for the same version', () => {
    const later = { ...desired, sequence: 9, rollout: 'r-00000002', offer: 9 };
    const record = applyMove({ record: upTo('wanted'), event: 'passed', desired: later, slots, nowMs: 0 });
    expect(record.attempt).toMatchObject({ sequence: 9, rollout: 'r-00000002', offer: 9 });
  });

  it('refuses a pair the table has no row for', () => {
    expect(() => move(empty, 'passed')).toThrow('no row for "passed" in state "idle"');
  });
});

describe('judgeFailure', () => {
  const attempt = upTo('wanted').attempt!;
  const full: UpdateFault = { code: 'disk_full', message: '', retry: 'later' };
  const crashed: UpdateFault = { code: 'runner_crashed', message: '', retry: 'later' };

  it.each(['link_lost', 'metadata_rolled_back', 'chunk_missing', 'not_enough_space', 'inference_timeout'])(
    'waits %s out, however often it comes',
    (code) => {
      expect(judgeFailure({ ...attempt, failures: 99 }, { ...full, code, retry: 'never' })).toBe('wait');
    },
  );

  it('tries three times what can pass, and once what cannot', () => {
    expect(judgeFailure(attempt, crashed)).toBe('try-again');
    expect(judgeFailure({ ...attempt, failures: 2 }, crashed)).toBe('give-up');
    expect(judgeFailure(attempt, golden)).toBe('give-up');
  });

  it('tries a version that does not start no second time while switching; waits for a disk there too', () => {
    expect(judgeFailure({ ...attempt, state: 'activating' }, crashed)).toBe('give-up');
    expect(judgeFailure({ ...attempt, state: 'activating' }, full)).toBe('wait');
  });

  it('never gives up going back', () => {
    for (const state of ['rolling-back', 'rolled-back', 'committed'] as const) {
      expect(judgeFailure({ ...attempt, state, failures: 99 }, golden)).toBe('try-again');
    }
  });
});

describe('quarantineFor', () => {
  const attempt = upTo('wanted').attempt!;

  it('quarantines no version for being in quarantine, nor for a request that cannot be met here', () => {
    for (const code of ['version_quarantined', 'downgrade_refused', 'manifest_mismatch']) {
      expect(quarantineFor(attempt, { code, message: '', retry: 'never' }, 0)).toBeUndefined();
    }
    expect(quarantineFor(attempt, golden, 0)).toMatchObject({ until: limits.quarantineMs, sequence: 5 });
  });

  it('quarantines none for what lies with the environment, and does not count it as an answer', () => {
    const full: UpdateFault = { code: 'disk_full', message: '', retry: 'later' };
    const record = move(move(upTo(...toTrial), 'failed', full), 'passed');
    expect(record).toMatchObject({ attempt: { state: 'rolled-back' }, quarantined: [], answered: [] });
  });
});

describe('toFault', () => {
  it('takes code and retry from the catalogue, and calls anything else a defect', () => {
    expect(toFault(new AppError('version_withdrawn', 'gone'))).toEqual({
      code: 'version_withdrawn',
      message: 'gone',
      retry: 'never',
    });
    expect(toFault(new TypeError('x is not a function'))).toMatchObject({ code: 'internal', retry: 'later' });
  });

  it('knows what the operating system refused from a defect', () => {
    const refused = Object.assign(new Error('EIO: i/o error, write'), {
      errno: -5,
      code: 'EIO',
      syscall: 'write',
    });
    expect(toFault(refused)).toMatchObject({ code: 'disk_error', retry: 'later' });
  });
});
