import { describe, expect, it } from 'vitest';
import { StuckUpdates } from '../../../../agent/health/stuck-updates.ts';
import type { ReportedModel } from '../../../../shared/protocol/reported-state.ts';
import type { UpdateState } from '../../../../shared/protocol/update-event.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function model(state: UpdateState, bytesHave?: number): ReportedModel {
  const since = '2026-01-01T00:00:00.000Z';
  return {
    model: 'air',
    previous: [],
    quarantined: [],
    update: { version: '2.0.0', state, since, ...(bytesHave !== undefined && { bytesHave }) },
  };
}

describe('StuckUpdates', () => {
  it('names a download that brings nothing for a quarter of an hour, and none that is only slow', () => {
    const updates = new StuckUpdates();
    for (let n = 0; n < 100; n += 1) {
      expect(updates.describe([model('downloading', n)], n * 14 * MINUTE)).toBeUndefined();
    }
    const last = 99 * 14 * MINUTE;
    expect(updates.describe([model('downloading', 99)], last + 15 * MINUTE)).toBe(
      'air 2.0.0 is downloading and has made no progress for 15m.',
    );
    expect(updates.describe([model('downloading', 100)], last + 16 * MINUTE)).toBeUndefined();
  });

  it('names no download that stands in line, and one that stands still after that by the time since then', () => {
    const updates = new StuckUpdates();
    const still = model('downloading', 5);
    const waiting = { reason: 'in-line', text: 'the hub serves other devices', since: still.update!.since };
    const queued: ReportedModel = { ...still, update: { ...still.update!, waiting } };
    for (let n = 0; n < 10; n += 1) expect(updates.describe([queued], n * HOUR)).toBeUndefined();
    expect(updates.describe([still], 9 * HOUR + 14 * MINUTE)).toBeUndefined();
    expect(updates.describe([still], 9 * HOUR + 15 * MINUTE)).toContain('has made no progress for 15m');
  });

  it('names a state of work that lasts for hours, and a trial longer than any plan', () => {
    for (const [state, ms] of [
      ['qualifying', HOUR],
      ['rolling-back', HOUR],
      ['trial', 8 * 24 * HOUR],
    ] as const) {
      const updates = new StuckUpdates();
      updates.describe([model(state)], 0);
      expect(updates.describe([model(state)], ms - 1)).toBeUndefined();
      expect(updates.describe([model(state)], ms)).toContain(`is ${state}`);
    }
  });

  it('leaves alone what has ended, and what is held on purpose', () => {
    const updates = new StuckUpdates();
    for (const state of ['committed', 'rejected', 'rolled-back', 'held'] as const) {
      updates.describe([model(state)], 0);
      expect(updates.describe([model(state)], 1_000 * HOUR)).toBeUndefined();
    }
  });
});
