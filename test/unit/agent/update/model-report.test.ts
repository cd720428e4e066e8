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
  return { v: 1, model: 'm', stream: '0'.repeat(16), attempt, parked: [], answered: [] };
}

it.each([
  ['qualifying', '1.0.0', []],
  ['activating', '1.0.0', []],
  ['trial', '2.0.0', ['1.0.0']],
  // The word is out before the slots know it: the hub must not take the version before for what runs.
  ['committed', '2.0.0', ['1.0.0']],
  ['rolling-back', '1.0.0', []],
] as const)('in state %s the version that answers is %s', (state, version, previous) => {
  const report = reportModel('m', recordIn(state), onTrial, { nowMs: 0 });
  expect(report.active?.version).toBe(version);
  expect(report.previous.map((one) => one.version)).toEqual(previous);
});
