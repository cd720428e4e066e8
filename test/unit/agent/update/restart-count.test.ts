import { describe, expect, it } from 'vitest';
import { countStart, workDone } from '../../../../agent/update/restart-count.ts';
import { type Attempt, noFigures } from '../../../../agent/update/update-record.ts';
import type { UpdateState } from '../../../../shared/protocol/update-event.ts';

const attempt = (state: UpdateState, more: Partial<Attempt> = {}): Attempt => ({
  version: '2.0.0',
  release: 2,
  manifest: 'b'.repeat(64),
  sequence: 5,
  trial: { seconds: 60, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 1 },
  state,
  since: 0,
  restarts: 3,
  failures: 0,
  trialSpentMs: 0,
  trialBefore: noFigures,
  event: 1,
  announced: true,
  ...more,
});
const restarts = (state: UpdateState, more: Partial<Attempt>, boot: string, progress = 0) =>
  countStart(attempt(state, more), { boot, progress }).restarts;

describe('countStart', () => {
  const working = { working: 'monday' };
  const all = ['checking', 'downloading', 'verifying', 'qualifying', 'activating', 'trial'] as const;

  it.each(all)('counts an end in the middle of the work of %s', (state) => {
    expect(restarts(state, working, 'monday')).toBe(4);
  });

  it.each(all)('counts no end in order, and none while %s rested', (state) => {
    expect(restarts(state, {}, 'monday')).toBe(3);
    expect(restarts(state, {}, 'tuesday')).toBe(3);
  });

  it.each(['checking', 'downloading', 'verifying'] as const)(
    'does not count the power going off in %s',
    (state) => {
      expect(restarts(state, working, 'tuesday')).toBe(3);
    },
  );

  it.each(['qualifying', 'activating', 'trial'] as const)(
    'counts it in %s, where the version itself may have taken the machine down',
    (state) => {
      expect(restarts(state, working, 'tuesday')).toBe(4);
    },
  );

  it('forgives when chunks came since the start before, however the agent ended', () => {
    for (const boot of ['monday', 'tuesday']) {
      expect(restarts('downloading', { ...working, progress: 10 }, boot, 11)).toBe(0);
    }
    expect(restarts('downloading', { ...working, progress: 11 }, 'monday', 11)).toBe(4);
  });

  it('forgives when golden samples came right that never had before, however the agent ended', () => {
    for (const boot of ['monday', 'tuesday']) {
      expect(restarts('qualifying', { ...working, progress: 10 }, boot, 11)).toBe(0);
      expect(restarts('qualifying', { ...working, progress: 11 }, boot, 11)).toBe(4);
    }
  });

  it('does not count the power going off in a trial that served on, but a crash in it', () => {
    expect(restarts('trial', { ...working, progress: 1_000 }, 'tuesday', 60_000)).toBe(3);
    expect(restarts('trial', { ...working, progress: 1_000 }, 'monday', 60_000)).toBe(4);
  });

  it('leaves the work at rest, and remembers how far it had come', () => {
    const after = countStart(attempt('downloading', working), { boot: 'monday', progress: 7 });
    expect(after.working).toBeUndefined();
    expect(after.progress).toBe(7);
  });
});

describe('workDone', () => {
  const held = async () => 7;

  it('is chunks that are there, golden samples that were right, or time on trial, and else nothing', async () => {
    const more = { samplesDone: 5, trialSpentMs: 1_500.5 };
    expect(await workDone(attempt('downloading', more), held)).toBe(7);
    expect(await workDone(attempt('qualifying', more), held)).toBe(5);
    expect(await workDone(attempt('qualifying'), held)).toBe(0);
    expect(await workDone(attempt('trial', more), held)).toBe(1_500);
    expect(await workDone(attempt('verifying', more), held)).toBe(0);
    expect(await workDone(undefined, held)).toBe(0);
  });
});
