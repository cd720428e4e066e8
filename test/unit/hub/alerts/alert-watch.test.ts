import { expect, it } from 'vitest';
import type { Findings } from '../../../../hub/alerts/alert-service.ts';
import { AlertWatch, type AlertWatchProps } from '../../../../hub/alerts/alert-watch.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

function watchOf(props: Partial<AlertWatchProps> = {}) {
  const clock = new ManualClock();
  const found: Findings[] = [];
  const watch = new AlertWatch({
    objectives: { evaluateAll: async () => ({ statuses: [], failed: new Map() }) },
    alerts: {
      observe: async (findings) => {
        found.push(findings);
      },
    },
    receivers: { observations: async () => [], push: async () => undefined },
    clock,
    logger: makeLogger('test', 'silent'),
    ...props,
  });
  return { watch, clock, found };
}

it('a model that cannot be evaluated is an alert, and leaves its other alerts as they are', async () => {
  const failed = new Map([['air', new Error('a rollup is damaged')]]);
  const { watch, found } = watchOf({ objectives: { evaluateAll: async () => ({ statuses: [], failed }) } });
  await watch.evaluate();
  const [{ observations, isUnknown }] = found as [Findings];
  expect(observations).toEqual([
    {
      code: 'evaluation_failed',
      subject: 'air',
      holds: true,
      summary: 'air: objectives could not be evaluated (a rollup is damaged)',
    },
  ]);
  expect(isUnknown({ code: 'availability_burns_fast', subject: 'air' })).toBe(true);
  expect(isUnknown({ code: 'availability_burns_fast', subject: 'water' })).toBe(false);
  expect(watch.failures).toBe(1);
});

it('an evaluation that fails as a whole is an alert of the hub, and changes no other', async () => {
  const { watch, found } = watchOf({
    objectives: { evaluateAll: () => Promise.reject(new Error('locked')) },
  });
  await watch.evaluate();
  const [{ observations, isUnknown }] = found as [Findings];
  expect(observations).toMatchObject([{ code: 'evaluation_failed', subject: 'hub', holds: true }]);
  expect(isUnknown({ code: 'drift_found', subject: 'air' })).toBe(true);
  expect(watch.evaluatedAt).toBeUndefined();
});

it('evaluates each minute, whatever fails, until the hub stops', async () => {
  let evaluations = 0;
  const { watch, clock } = watchOf({
    objectives: {
      evaluateAll: () => {
        evaluations += 1;
        return Promise.reject(new Error('no database'));
      },
    },
    alerts: { observe: () => Promise.reject(new Error('no database')) },
    receivers: {
      observations: () => Promise.reject(new Error('no database')),
      push: () => Promise.reject(new Error('no network')),
    },
  });
  const stopping = new AbortController();
  const running = watch.run(stopping.signal);
  for (const wanted of [0, 1, 2, 3]) {
    await expect.poll(() => clock.sleepers).toBe(1);
    expect(evaluations).toBe(wanted);
    clock.advance(60_000);
  }
  await expect.poll(() => clock.sleepers).toBe(1);
  stopping.abort();
  await running;
  // Of each: the evaluation, its alert, and the Alertmanagers.
  expect(watch.failures).toBeGreaterThanOrEqual(9);
});
