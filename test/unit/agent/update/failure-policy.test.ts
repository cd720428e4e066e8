import { describe, expect, it } from 'vitest';
import { checkOrder } from '../../../../agent/update/failure-policy.ts';
import { type Attempt, noFigures, type UpdateRecord } from '../../../../agent/update/update-record.ts';
import type { UpdateState } from '../../../../shared/protocol/update-event.ts';

const older = { manifest: 'a'.repeat(64), version: '1.0.0', release: 1, provider: 'cpu' };
const newer = { manifest: 'b'.repeat(64), version: '2.0.0', release: 2, provider: 'cpu' };

function recordIn(state: UpdateState): UpdateRecord {
  const attempt: Attempt = {
    ...newer,
    sequence: 1,
    trial: { seconds: 60, minRequests: 0, maxErrorRate: 0.1, maxCrashes: 1 },
    state,
    since: 0,
    restarts: 0,
    failures: 0,
    trialSpentMs: 0,
    trialBefore: noFigures,
    event: 1,
    announced: true,
  };
  return { v: 2, model: 'm', stream: '0'.repeat(16), attempt, quarantined: [], answered: [] };
}

describe('checkOrder()', () => {
  it('takes an order to go back while the slots have yet to follow a commit', () => {
    const slots = { active: older, trial: newer, previous: [], floor: 1 };
    expect(() => checkOrder(recordIn('committed'), slots, 0)).not.toThrow();
  });

  it('refuses it where no version before is kept, and while an update is under way', () => {
    const slots = { active: newer, previous: [], floor: 2 };
    expect(() => checkOrder(recordIn('committed'), slots, 0)).toThrow(
      expect.objectContaining({ code: 'no_previous_version' }),
    );
    expect(() => checkOrder(recordIn('downloading'), slots, 0)).toThrow(
      expect.objectContaining({ code: 'update_under_way' }),
    );
    const first = { trial: newer, previous: [], floor: 0 };
    expect(() => checkOrder(recordIn('committed'), first, 0)).toThrow(
      expect.objectContaining({ code: 'no_previous_version' }),
    );
  });
});
