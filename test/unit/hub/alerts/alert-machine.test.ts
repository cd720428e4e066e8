import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AlertProgress,
  advanceAlert,
  beginAlert,
  dueNotification,
  isSilenced,
  type Notified,
  recurrenceMs,
} from '../../../../hub/alerts/alert-machine.ts';

const minute = 60_000;
const rule = { forMs: 5 * minute, clearMs: 10 * minute };
const start = 1_700_000_000_000;

/** Evaluates one rule each minute, and returns what it sent, with the minute. */
function run(holds: (minute: number) => boolean, minutes: number, durations = rule): string[] {
  const sent: string[] = [];
  let alert: AlertProgress | undefined;
  let previous: AlertProgress | undefined;
  let notified: Notified = null;
  for (let at = 0; at < minutes; at += 1) {
    const now = start + at * minute;
    if (alert) alert = advanceAlert(durations, alert, { holds: holds(at), now });
    else if (holds(at)) alert = beginAlert(durations, previous, now);
    if (!alert) continue;
    const due = dueNotification(alert.state, notified, false);
    if (due) {
      sent.push(`${due} ${at}`);
      notified = due;
    }
    if (alert.state === 'resolved') {
      previous = alert;
      alert = undefined;
      notified = null;
    }
  }
  return sent;
}

describe('the states of an alert', () => {
  it('fires when its rule has held for long enough, and is resolved when it has not held for long enough', () => {
    expect(run((at) => at >= 2 && at < 20, 60)).toEqual(['firing 7', 'resolved 30']);
  });

  it('fires at once where nothing is to be waited for', () => {
    expect(run((at) => at === 3, 30, { forMs: 0, clearMs: minute })).toEqual(['firing 3', 'resolved 5']);
  });

  it('is forgotten when its rule no longer holds before it fires', () => {
    expect(run((at) => at < 5, 60)).toEqual([]);
    expect(run((at) => at % 5 !== 4, 200)).toEqual([]);
  });

  it('stays as it is while its cause comes and goes faster than it is resolved', () => {
    expect(run((at) => at < 100 && (at < 10 || at % 10 === 0), 200)).toEqual(['firing 5', 'resolved 101']);
  });

  it('takes twice as long to be resolved with each recurrence, so that flapping is a few notifications', () => {
    // On for ten minutes, off for fifteen, for a day: without the doubling 58 alerts.
    const sent = run((at) => at % 25 < 10, 1_440);
    expect(sent).toEqual(['firing 5', 'resolved 20', 'firing 30']);
  });

  it('forgets recurrences after a quiet time', () => {
    const previous = { resolvedAt: start, recurrences: 4 };
    expect(beginAlert(rule, previous, start + recurrenceMs - 1).recurrences).toBe(5);
    expect(beginAlert(rule, previous, start + recurrenceMs).recurrences).toBe(0);
    expect(beginAlert(rule, undefined, start).recurrences).toBe(0);
  });

  it('is resolved after it was acknowledged as well, and stays resolved', () => {
    const firing: AlertProgress = {
      ...beginAlert({ ...rule, forMs: 0 }, undefined, start),
      state: 'acknowledged',
    };
    const clear = advanceAlert(rule, firing, { holds: false, now: start + minute })!;
    expect(clear.state).toBe('acknowledged');
    const resolved = advanceAlert(rule, clear, { holds: false, now: start + 11 * minute })!;
    expect(resolved).toMatchObject({ state: 'resolved', resolvedAt: start + 11 * minute });
    expect(advanceAlert(rule, resolved, { holds: true, now: start + 12 * minute })).toEqual(resolved);
  });

  it('waits no longer than its durations after the clock was set back', () => {
    const pending = beginAlert(rule, undefined, start);
    const back = advanceAlert(rule, pending, { holds: true, now: start - 60 * minute })!;
    expect(advanceAlert(rule, back, { holds: true, now: start - 55 * minute })!.state).toBe('firing');
  });

  it('sends firing and resolved in turn, whatever its rule finds', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 400 }), (holds) => {
        const kinds = run((at) => holds[at]!, holds.length, { forMs: minute, clearMs: 2 * minute }).map(
          (text) => text.split(' ')[0],
        );
        expect(kinds).toEqual(kinds.map((_, n) => (n % 2 === 0 ? 'firing' : 'resolved')));
      }),
    );
  });
});

describe('what receivers are sent', () => {
  it.each([
    ['pending', null, false, undefined],
    ['firing', null, false, 'firing'],
    ['firing', null, true, undefined],
    ['firing', 'firing', false, undefined],
    ['acknowledged', null, false, undefined],
    ['acknowledged', 'firing', false, undefined],
    ['resolved', null, false, undefined],
    ['resolved', 'firing', false, 'resolved'],
    ['resolved', 'firing', true, 'resolved'],
    ['resolved', 'resolved', false, undefined],
  ] as const)('of an alert that is %s, after %s, silenced: %s: %s', (state, notified, silenced, due) => {
    expect(dueNotification(state, notified, silenced)).toBe(due);
  });
});

describe('a silence', () => {
  const alert = { code: 'drift_found', subject: 'air' };
  it.each([
    [{ endsAt: start + 1 }, true],
    [{ endsAt: start }, false],
    [{ code: 'drift_found', endsAt: start + 1 }, true],
    [{ code: 'reports_missing', endsAt: start + 1 }, false],
    [{ subject: 'air', endsAt: start + 1 }, true],
    [{ subject: 'water', endsAt: start + 1 }, false],
    [{ code: 'drift_found', subject: 'air', endsAt: start + 1 }, true],
    [{ code: 'drift_found', subject: 'water', endsAt: start + 1 }, false],
    [{ subject: 'air/field', endsAt: start + 1 }, false],
  ])('%j silences drift of air: %s', (silence, silenced) => {
    expect(isSilenced(alert, [silence], start)).toBe(silenced);
  });

  it('of a model silences it in every group, and one of a group in no other', () => {
    const inField = { code: 'latency_burns_fast', subject: 'air/field' };
    const silencedBy = (subject: string) => isSilenced(inField, [{ subject, endsAt: start + 1 }], start);
    expect(['air', 'air/field', 'air/lab', 'ai', 'field'].filter(silencedBy)).toEqual(['air', 'air/field']);
  });
});
