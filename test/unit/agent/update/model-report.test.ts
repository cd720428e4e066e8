import { expect, it } from 'vitest';
import { commitTrial, noSlots, type SlotRef, startTrial } from '../../../../agent/slots/slot-index.ts';
import { reportModel } from '../../../../agent/update/model-report.ts';
import { type Attempt, noFigures, type UpdateRecord } from '../../../../agent/update/update-record.ts';
import type { UpdateState } from '../../../../shared/protocol/update-event.ts';

const ref = (release: number): SlotRef => ({
  manifest: String(release).repeat(64),
  version: `${release}.0.0`,
  release,
  provider: 'cpu',
});
const onTrial = startTrial(commitTrial(startTrial(noSlots, ref(1)), 2), ref(2));

function recordIn(state: UpdateState): UpdateRecord {
  const attempt: Attempt = {
    ...{ version: '2.0.0', release: 2, manifest: ref(2).manifest, provider: 'cpu' },
    ...{ sequence: 2, trial: { seconds: 1, minRequests: 1, maxErrorRate: 1, maxCrashes: 0 } },
    ...{ state, since: 0, restarts: 0, failures: 0, trialSpentMs: 0, trialBefore: noFigures },
    ...{ event: 1, announced: false },
  };
  return { v: 2, model: 'm', stream: '0'.repeat(16), attempt, quarantined: [], answered: [] };
}

const reported = (state: UpdateState, serving: SlotRef | undefined) =>
  reportModel('m', recordIn(state), onTrial, { nowMs: 0, serving: serving?.manifest });

it('says of what runs and what is kept what is so, whatever the state of the update', () => {
  for (const state of ['activating', 'trial', 'committed', 'rolling-back', 'rolled-back'] as const) {
    expect(reported(state, ref(2))).toMatchObject({
      active: { version: '2.0.0' },
      previous: [{ version: '1.0.0' }],
    });
    expect(reported(state, ref(1))).toMatchObject({ active: { version: '1.0.0' }, previous: [] });
  }
});

it('says that a download stands in line at the hub, and since when', () => {
  const observed = { nowMs: 60_000, serving: undefined, progress: { queuedSince: 30_000 } };
  const { update } = reportModel('m', recordIn('downloading'), onTrial, observed);
  expect(update?.waiting).toEqual({
    reason: 'in-line',
    text: expect.stringContaining('other devices'),
    since: '1970-01-01T00:00:30.000Z',
  });
  expect(update).not.toHaveProperty('queuedSince');
});

it('says that a version before the active one answers, or none', () => {
  const slots = commitTrial(onTrial, 2);
  const observed = { nowMs: 0, serving: ref(1).manifest };
  expect(reportModel('m', recordIn('committed'), slots, observed)).toMatchObject({
    active: { version: '1.0.0' },
    previous: [{ version: '2.0.0' }],
  });
  const silent = reported('committed', undefined);
  expect(silent.active).toBeUndefined();
  expect(silent.previous).toMatchObject([{ version: '1.0.0' }]);
});
