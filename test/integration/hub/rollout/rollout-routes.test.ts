import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpHubClient } from '../../../../cli/hub-client.ts';
import { RunningHub } from '../../../support/running-hub.ts';

let hub: RunningHub;
let operator: HttpHubClient;
beforeAll(async () => {
  hub = await RunningHub.start();
  operator = await hub.clientAs('operator');
});
afterAll(() => hub.stop());

const plan = { model: 'm', version: '1.0.0', phases: [{ percent: 10 }, { percent: 100 }] };
const actions = ['pause', 'resume', 'abort', 'rollback'];

describe('/api/v1/rollouts', () => {
  it('lists nothing at first', async () => {
    expect(await operator.get('/rollouts')).toEqual({ rollouts: [] });
  });

  it.each([
    [{ ...plan, phases: [] }, 'bad_input'],
    [{ ...plan, phases: [{ percent: 0 }] }, 'bad_input'],
    [{ ...plan, phases: [{ percent: 101 }] }, 'bad_input'],
    [{ ...plan, version: 'one' }, 'bad_input'],
    [{ ...plan, model: '../m' }, 'bad_input'],
    [{ ...plan, soakMs: -1 }, 'bad_input'],
    [{ ...plan, gates: { maxFailures: 5 } }, 'bad_input'],
    [{ ...plan, gates: { drift: 'panic' } }, 'bad_input'],
    [{ ...plan, phases: Array(33).fill({ percent: 100 }) }, 'bad_input'],
    [{ ...plan, phases: [{ percent: 50 }, { percent: 10 }] }, 'rollout_plan_invalid'],
    // A time is milliseconds since the epoch, as a number and nothing else.
    [{ ...plan, startAt: '1900000000000' }, 'bad_input'],
    [{ ...plan, startAt: '2030-01-31T06:00:00Z' }, 'bad_input'],
    [{ ...plan, startAt: '2030-01-31T06:00:00' }, 'bad_input'],
    [{ ...plan, startAt: true }, 'bad_input'],
    [{ ...plan, startAt: null }, 'bad_input'],
    [{ ...plan, startAt: 1.5 }, 'bad_input'],
    [{ ...plan, startAt: -1 }, 'bad_input'],
    [{ ...plan, startAt: 5 }, 'rollout_plan_invalid'],
    [{ ...plan, startAt: 1_900_000_000 }, 'rollout_plan_invalid'],
    [{ ...plan, startAt: 1_900_000_000_000_000 }, 'rollout_plan_invalid'],
    [plan, 'version_unknown'],
  ])('refuses %j with %s', async (body, code) => {
    await expect(operator.post('/rollouts', body)).rejects.toMatchObject({ code });
  });

  it('lets viewers read and not act', async () => {
    const viewer = await hub.clientAs('viewer');
    expect(await viewer.get('/rollouts')).toEqual({ rollouts: [] });
    await expect(viewer.post('/rollouts', plan)).rejects.toMatchObject({ code: 'forbidden' });
    for (const action of actions) {
      await expect(viewer.post(`/rollouts/r-00000000/${action}`)).rejects.toMatchObject({
        code: 'forbidden',
      });
    }
  });

  it.each(actions)(
    'accepts %s with and without a body, and answers not_found for an unknown rollout',
    async (action) => {
      const path = `/rollouts/r-00000000/${action}`;
      await expect(operator.post(path)).rejects.toMatchObject({ code: 'not_found' });
      await expect(operator.post(path, { reason: 'why not' })).rejects.toMatchObject({ code: 'not_found' });
      await expect(operator.post(path, { reason: 7 })).rejects.toMatchObject({ code: 'bad_input' });
      await expect(operator.post(`/rollouts/elsewhere/${action}`)).rejects.toMatchObject({
        code: 'bad_input',
      });
    },
  );
});
