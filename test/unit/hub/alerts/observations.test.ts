import { describe, expect, it } from 'vitest';
import { observationsOf } from '../../../../hub/alerts/observations.ts';
import { burnWindowsMs } from '../../../../hub/objectives/burn-rate.ts';
import type { ErrorBudget, SloStatus } from '../../../../shared/api/slos.ts';

const minute = 60_000;

function status(fields: Partial<SloStatus>): SloStatus {
  return { model: 'air', source: 'set', objectives: {}, evaluatedAt: 0, budgets: [], ...fields };
}

/** A budget of 1 % of which the last `badMs` have failed, at 100 requests a minute. */
function budget(share: number, badMs: number, requestsPerMinute = 100): ErrorBudget {
  const countsOf = (windowMs: number) => ({
    all: (requestsPerMinute * windowMs) / minute,
    bad: Math.round((share * requestsPerMinute * Math.min(windowMs, badMs)) / minute),
  });
  return {
    objective: 'availability',
    target: 0.99,
    periodMs: 30 * 86_400_000,
    ...countsOf(30 * 86_400_000),
    left: 0.5,
    windows: burnWindowsMs.map((windowMs) => {
      const { all, bad } = countsOf(windowMs);
      return { windowMs, all, bad, burnRate: bad / all / 0.01 };
    }),
  };
}

const holding = (of: SloStatus) =>
  observationsOf(of)
    .filter(({ holds }) => holds)
    .map(({ code }) => code);

describe('what is observed of a model', () => {
  it('is a fast and a slow burn of each budget, with the figures of the long window', () => {
    expect(observationsOf(status({ budgets: [budget(0, 0)] }))).toMatchObject([
      { code: 'availability_burns_fast', subject: 'air', holds: false },
      { code: 'availability_burns_slowly', subject: 'air', holds: false },
    ]);
    const [fast] = observationsOf(status({ budgets: [budget(0.5, 30 * minute)] }));
    expect(fast).toEqual({
      code: 'availability_burns_fast',
      subject: 'air',
      holds: true,
      summary:
        'air: 1500 of 6000 requests failed in the last 1h; the error budget of 1 % is spent 25.0 times too fast, 50 % of it is left',
    });
    expect(holding(status({ budgets: [budget(0.015, 3 * 24 * 60 * minute)] }))).toEqual([
      'availability_burns_slowly',
    ]);
  });

  it('in a group is about the model and the group', () => {
    const [fast] = observationsOf(status({ group: 'field', budgets: [budget(0.5, 30 * minute)] }));
    expect(fast).toMatchObject({
      subject: 'air/field',
      summary: expect.stringMatching(/^air\/field: 1500 of/),
    });
  });

  it('is no burn where there were too few requests, unless the objectives ask for fewer', () => {
    // Three an hour, all of them failed.
    const few = [budget(1, 3 * 24 * 60 * minute, 0.05)];
    expect(holding(status({ budgets: few }))).toEqual(['availability_burns_slowly']);
    expect(holding(status({ budgets: few, objectives: { requestsMin: 10 } }))).toEqual([
      'availability_burns_fast',
      'availability_burns_slowly',
    ]);
  });

  it.each([
    [{ devices: 10, fresh: 9, known: true }, false],
    [{ devices: 10, fresh: 8, known: true }, true],
    // The hub has just started: no device can have reported for long.
    [{ devices: 10, fresh: 0, known: false }, undefined],
    [{ devices: 0, fresh: 0, known: true }, false],
  ])('of %j is that reports are missing: %s', (counts, holds) => {
    const freshness = { target: 0.9, withinMs: 15 * minute, updating: 0, ...counts };
    expect(observationsOf(status({ freshness }))).toMatchObject([{ code: 'reports_missing', holds }]);
  });

  it('is drift where a version has drifted, and names it', () => {
    const drift = [
      { version: '1.0.0', span: 'hour', verdict: 'watch' },
      { version: '1.1.0', span: 'day', verdict: 'drift' },
    ] as const;
    const objectives = { drift: true };
    expect(observationsOf(status({ objectives, drift: [...drift] }))).toMatchObject([
      { code: 'drift_found', holds: true, summary: expect.stringContaining('air 1.1.0 (last day): drift') },
    ]);
    expect(observationsOf(status({ objectives, drift: [drift[0]] }))).toMatchObject([{ holds: false }]);
    expect(observationsOf(status({ objectives }))).toMatchObject([{ holds: undefined }]);
    expect(observationsOf(status({}))).toEqual([]);
  });

  it('is no drift once no version with a profile is active any more: the alert must end', () => {
    expect(observationsOf(status({ objectives: { drift: true }, drift: [] }))).toMatchObject([
      { code: 'drift_found', holds: false },
    ]);
  });
});
