import { describe, expect, it } from 'vitest';
import {
  applyMessage,
  type DeviceMessage,
  type DownloadObservation,
  isFailure,
  type RolloutDevice,
  statusAt,
} from '../../../../hub/rollout/device-progress.ts';
import { planDefaults } from '../../../../hub/rollout/rollout-plan.ts';
import type { StoredStatus } from '../../../../shared/api/rollouts.ts';
import type { UpdateState } from '../../../../shared/protocol/update-event.ts';

const t0 = 1_000_000;
const context = { version: '2.0.0', now: t0 + 5_000 };
const offered: RolloutDevice = {
  deviceId: 'a',
  ordinal: 0,
  status: 'offered',
  assigned: true,
  sequence: 7,
  previousVersion: '1.0.0',
  offeredAt: t0,
  changedAt: t0,
  lastReportedAt: null,
  revertedAt: null,
  revertOutcome: null,
  triedAt: null,
  fault: null,
  removedAt: null,
};
const event = (state: UpdateState, code?: string, retry: 'never' | 'later' = 'never'): DeviceMessage => ({
  kind: 'event',
  version: '2.0.0',
  state,
  ...(code ? { fault: { code, message: code, retry } } : {}),
});
const report = (part: Partial<DeviceMessage & { kind: 'report' }>): DeviceMessage => ({
  kind: 'report',
  sequence: 7,
  ...part,
});
const apply = (message: DeviceMessage, part: Partial<RolloutDevice> = {}) =>
  applyMessage({ ...offered, ...part }, message, context);

describe('applyMessage()', () => {
  it.each<[UpdateState, StoredStatus]>([
    ['idle', 'offered'],
    ['checking', 'downloading'],
    ['downloading', 'downloading'],
    ['verifying', 'downloading'],
    ['staged', 'staged'],
    ['held', 'staged'],
    ['qualifying', 'qualifying'],
    ['activating', 'qualifying'],
    ['trial', 'trial'],
    ['rolling-back', 'trial'],
    ['committed', 'succeeded'],
    ['rolled-back', 'rolled-back'],
    ['rejected', 'rejected'],
  ])('takes an event %s as %s', (state, status) => {
    expect(apply(event(state)).status).toBe(status);
  });

  it('keeps the reason of a device that went back by itself', () => {
    expect(apply(event('rolled-back', 'trial_crashed'), { status: 'trial' })).toMatchObject({
      status: 'rolled-back',
      changedAt: context.now,
      fault: { code: 'trial_crashed' },
    });
  });

  it('distinguishes what may be retried from what is refused for good', () => {
    expect(apply(event('rejected', 'runner_crashed', 'later')).status).toBe('failed');
    expect(apply(event('rejected', 'golden_mismatch')).status).toBe('rejected');
  });

  it.each([
    'link_lost',
    'metadata_expired',
    'desired_changed',
    'chunk_missing',
    'not_enough_space',
    'disk_full',
  ])('does not hold %s against the version: the device is still offered it', (code) => {
    expect(apply(event('rejected', code, 'later'), { status: 'downloading' })).toMatchObject({
      status: 'offered',
      fault: null,
    });
  });

  it('changes an end only on proof of the opposite', () => {
    expect(apply(event('downloading'), { status: 'failed' }).status).toBe('failed');
    expect(apply(event('committed'), { status: 'failed' })).toMatchObject({
      status: 'succeeded',
      fault: null,
    });
    expect(apply(event('trial'), { status: 'succeeded' }).status).toBe('succeeded');
    expect(apply(event('rolled-back', 'rolled_back_by_operator'), { status: 'succeeded' }).status).toBe(
      'rolled-back',
    );
  });

  it('ignores a device that was not offered the version', () => {
    const pending = {
      ...offered,
      status: 'pending',
      assigned: false,
      offeredAt: null,
      sequence: null,
    } as const;
    expect(applyMessage(pending, event('committed'), context)).toBe(pending);
  });

  it('does not count what a device does with an offer that was withdrawn', () => {
    const withdrawn = { status: 'withdrawn', assigned: false } as const;
    expect(apply(event('trial'), withdrawn).status).toBe('withdrawn');
    expect(apply(event('rolled-back', 'trial_crashed'), withdrawn)).toMatchObject({
      status: 'withdrawn',
      revertedAt: context.now,
    });
  });

  it('counts a device as rolled back after a commit of the version before, or a report of another version', () => {
    const withdrawn = { status: 'withdrawn', assigned: false } as const;
    const commit: DeviceMessage = { kind: 'event', version: '1.0.0', state: 'committed' };
    expect(apply(commit, withdrawn).revertedAt).toBe(context.now);
    expect(apply({ ...commit, version: '0.9.0' }, withdrawn).revertedAt).toBeNull();
    expect(apply(report({ activeVersion: '1.0.0' }), withdrawn).revertedAt).toBe(context.now);
    expect(apply(report({ activeVersion: '2.0.0' }), withdrawn).revertedAt).toBeNull();
    expect(apply(report({ activeVersion: '1.0.0', sequence: 6 }), withdrawn).revertedAt).toBeNull();
  });

  it('does not count a device as rolled back that reports to run the version after all', () => {
    const back = { status: 'withdrawn', assigned: false, revertedAt: t0, revertOutcome: 'reverted' } as const;
    expect(apply(report({ activeVersion: '2.0.0' }), back)).toMatchObject({
      revertedAt: null,
      revertOutcome: null,
    });
    expect(apply(event('committed'), back)).toMatchObject({ revertedAt: null, revertOutcome: null });
    const noWay = { ...back, revertOutcome: null, revertedAt: null, previousVersion: null };
    expect(apply(report({ activeVersion: '2.0.0' }), noWay)).toMatchObject({ revertOutcome: 'no-target' });
  });

  it('names a device that refuses to go back, until it does', () => {
    const withdrawn = { status: 'withdrawn', assigned: false } as const;
    const fault = { code: 'downgrade_refused', message: 'below the floor', retry: 'never' } as const;
    const refused = apply({ kind: 'event', version: '1.0.0', state: 'rejected', fault }, withdrawn);
    expect(refused).toMatchObject({ revertOutcome: 'refused', fault: { code: 'downgrade_refused' } });
    const update = { version: '1.0.0', state: 'rejected', fault } as const;
    expect(apply(report({ activeVersion: '2.0.0', update }), withdrawn)).toMatchObject({
      revertOutcome: 'refused',
    });
    expect(apply(report({ activeVersion: '1.0.0' }), refused).revertOutcome).toBe('reverted');
    const hubs = { ...fault, code: 'link_lost' };
    expect(
      apply({ kind: 'event', version: '1.0.0', state: 'rejected', fault: hubs }, withdrawn).revertOutcome,
    ).toBeNull();
  });

  it('follows what the device reports to have committed last, until the version is reverted', () => {
    expect(apply(report({ activeVersion: '1.5.0', lastGood: '1.5.0' })).previousVersion).toBe('1.5.0');
    expect(apply(report({ activeVersion: '2.0.0', lastGood: '2.0.0' })).previousVersion).toBe('1.0.0');
    const withdrawn = { status: 'withdrawn', assigned: false } as const;
    expect(apply(report({ activeVersion: '1.5.0', lastGood: '1.5.0' }), withdrawn).previousVersion).toBe(
      '1.0.0',
    );
  });

  it('accepts a report as proof only when it was made after the offer was accepted', () => {
    expect(apply(report({ activeVersion: '2.0.0' })).status).toBe('succeeded');
    expect(apply(report({ activeVersion: '2.0.0', sequence: 6 })).status).toBe('offered');
  });

  it('does not count a version on trial as committed', () => {
    const trial = { version: '2.0.0', state: 'trial' } as const;
    expect(apply(report({ activeVersion: '2.0.0', update: trial })).status).toBe('trial');
    const committed = { version: '2.0.0', state: 'committed' } as const;
    expect(apply(report({ activeVersion: '2.0.0', update: committed })).status).toBe('succeeded');
  });

  it('detects from a report that a device which succeeded runs something else', () => {
    expect(apply(report({ activeVersion: '1.0.0' }), { status: 'succeeded' })).toMatchObject({
      status: 'rolled-back',
      fault: { code: 'version_left' },
    });
    expect(apply(report({ activeVersion: '1.0.0' })).status).toBe('offered');
  });
});

describe('a device whose version was reverted', () => {
  const reverted = { status: 'withdrawn', assigned: false, sequence: 8 } as const;
  const outcomeAfter = (
    part: Partial<DeviceMessage & { kind: 'report' }>,
    more: Partial<RolloutDevice> = {},
  ) => apply(report({ sequence: 8, ...part }), { ...reverted, ...more }).revertOutcome;

  it('is rolled back when it reports that it runs another version, and not before', () => {
    expect(outcomeAfter({ activeVersion: '1.0.0' })).toBe('reverted');
    expect(outcomeAfter({ activeVersion: '2.0.0' })).toBeNull();
    expect(outcomeAfter({ activeVersion: '1.0.0', sequence: 7 })).toBeNull();
  });

  it('is not rolled back while it runs nothing and has a rollback target', () => {
    expect(outcomeAfter({})).toBeNull();
    expect(outcomeAfter({}, { previousVersion: null })).toBe('reverted');
  });
});

describe('statusAt()', () => {
  const timeouts = { silenceMs: 10_000, deviceTimeoutMs: 60_000, trial: planDefaults.trial };
  const at = (
    part: Partial<RolloutDevice>,
    afterMs: number,
    connected = false,
    watchingSince = 0,
    download?: DownloadObservation,
  ) =>
    statusAt({ ...offered, ...part }, timeouts, {
      now: t0 + afterMs,
      connected: new Set(connected ? [offered.deviceId] : []),
      watchingSince,
      downloads: new Map(download ? [[offered.deviceId, download]] : []),
    });

  it('reports a device as silent after silenceMs without a message, to the millisecond', () => {
    expect(at({}, 9_999)).toEqual({ status: 'offered', endedAt: null });
    expect(at({}, 10_000)).toEqual({ status: 'silent', endedAt: t0 + 10_000 });
    expect(at({ lastReportedAt: t0 + 4_000 }, 13_999).status).toBe('offered');
    expect(at({ lastReportedAt: t0 + 4_000 }, 14_000)).toEqual({ status: 'silent', endedAt: t0 + 14_000 });
  });

  it('never calls a connected device silent, and lets it time out', () => {
    expect(at({ status: 'downloading' }, 59_999, true).status).toBe('downloading');
    expect(at({ status: 'downloading' }, 60_000, true)).toEqual({
      status: 'timed-out',
      endedAt: t0 + 60_000,
    });
  });

  it('counts only time in which the hub was watching', () => {
    const since = t0 + 100_000;
    expect(at({ lastReportedAt: t0 + 1 }, 109_999, false, since).status).toBe('offered');
    expect(at({ lastReportedAt: t0 + 1 }, 110_000, false, since).status).toBe('silent');
    expect(at({ status: 'staged' }, 159_999, true, since).status).toBe('staged');
    expect(at({ status: 'staged' }, 160_000, true, since).status).toBe('timed-out');
  });

  it('counts no time before the hub has served a device, and a device that is away becomes silent all the same', () => {
    const waitedUntil = t0 + 500_000;
    const download = { waitedUntil, isMoving: true };
    expect(at({ status: 'downloading' }, 559_999, true, 0, download).status).toBe('downloading');
    expect(at({ status: 'staged' }, 560_000, true, 0, download)).toEqual({
      status: 'timed-out',
      endedAt: t0 + 560_000,
    });
    expect(at({ status: 'downloading' }, 10_000, false, 0, download).status).toBe('silent');
  });

  it('reports a device as blocked whose chunks are still arriving when its time is over, and as timed out when none arrive', () => {
    const moving = { waitedUntil: undefined, isMoving: true };
    expect(at({ status: 'downloading' }, 60_000, true, 0, moving).status).toBe('blocked');
    expect(at({ status: 'qualifying' }, 60_000, true, 0, moving).status).toBe('timed-out');
    expect(at({ status: 'downloading' }, 60_000, true, 0, { ...moving, isMoving: false }).status).toBe(
      'timed-out',
    );
  });

  it('reports a device as unproven that is still on trial when its time is over: it has too few requests', () => {
    expect(at({ status: 'trial' }, 59_999, true).status).toBe('trial');
    expect(at({ status: 'trial' }, 60_000, true)).toEqual({ status: 'unproven', endedAt: t0 + 60_000 });
    expect(at({ status: 'trial' }, 60_000, false).status).toBe('silent');
  });

  it('reports a device as blocked that waits for its environment when its time is over', () => {
    const fault = { code: 'not_enough_space', message: 'it needs 1 GiB', retry: 'later' } as const;
    expect(at({ status: 'downloading', fault }, 59_999, true).status).toBe('downloading');
    expect(at({ status: 'downloading', fault }, 60_000, true)).toEqual({
      status: 'blocked',
      endedAt: t0 + 60_000,
    });
    expect(at({ status: 'downloading', fault }, 60_000, false).status).toBe('silent');
    const crashed = { ...fault, code: 'runner_crashed' };
    expect(at({ status: 'qualifying', fault: crashed }, 60_000, true).status).toBe('timed-out');
    expect(isFailure('blocked')).toBe(false);
  });

  it('drops what a device waited for when it continues', () => {
    const fault = { code: 'not_enough_space', message: 'it needs 1 GiB', retry: 'later' } as const;
    const update = { version: '2.0.0', state: 'downloading', fault } as const;
    const waiting = apply(report({ activeVersion: '1.0.0', update }));
    expect(waiting.fault?.code).toBe('not_enough_space');
    expect(apply(event('verifying'), waiting).fault).toBeNull();
  });

  it('reports it as timed out when its trial needs no requests', () => {
    const trial = { ...planDefaults.trial, minRequests: 0 };
    const observation = {
      now: t0 + 60_000,
      connected: new Set(['a']),
      watchingSince: 0,
      downloads: new Map(),
    };
    expect(statusAt({ ...offered, status: 'trial' }, { ...timeouts, trial }, observation).status).toBe(
      'timed-out',
    );
  });

  it('reports a device as removed from its removal on, whatever its status was', () => {
    for (const status of ['pending', 'trial', 'succeeded', 'rolled-back', 'withdrawn'] as const) {
      expect(at({ status, removedAt: t0 + 5 }, 99_999)).toEqual({ status: 'removed', endedAt: t0 + 5 });
    }
    expect(isFailure('removed')).toBe(false);
    const gone = { ...offered, status: 'trial', removedAt: t0 } as const;
    expect(apply(event('committed'), gone)).toEqual(gone);
  });

  it('leaves ends as they are, and waits for those that wait', () => {
    expect(at({ status: 'succeeded', changedAt: t0 + 1 }, 99_999)).toEqual({
      status: 'succeeded',
      endedAt: t0 + 1,
    });
    expect(at({ status: 'pending' }, 99_999)).toEqual({ status: 'pending', endedAt: null });
    expect(at({ status: 'withdrawn' }, 99_999)).toEqual({ status: 'withdrawn', endedAt: null });
  });
});
