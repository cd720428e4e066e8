import { afterEach, describe, expect, it } from 'vitest';
import { gatesVersion, judge } from '../../../../hub/rollout/gates.ts';
import { RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<RolloutWorld> {
  world = await RolloutWorld.open(options);
  return world;
}
afterEach(async () => {
  await world.close();
});

describe('a rollout that is judged', () => {
  it('stores each verdict with inputs that give the same verdict again', async () => {
    await open({ devices: 10, manner: (n) => (n === 3 ? 'rejects' : 'good') });
    const { id } = await world.create({ gates: { maxFailures: 0.1, maxErrorRate: 0.5, minRequests: 1 } });
    world.requests = { ok: 10, failed: {}, refused: { fitBefore: 0 } };
    await world.runUntil(id, ['completed', 'aborted']);
    const stored = await world.store.verdicts(id, 100);
    expect(stored.length).toBeGreaterThan(3);
    for (const { inputs, gates, verdict, reasons } of stored) {
      expect(gates).toBe(gatesVersion);
      expect(judge(inputs)).toEqual({ verdict, reasons });
    }
  });

  it('shows a verdict of earlier rules as it was decided then, with the version of those rules', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    const reasons = [
      { code: 'error_rate_within_limit', verdict: 'proceed', text: '0 of 100 requests failed' },
    ];
    const inputs = {
      phase: 0,
      requests: { ok: 100, failed: 0 },
      drift: { features: 1, drifting: [], tooFew: [] },
    };
    const row = { rollout_id: id, at: 1, phase: 0, verdict: 'proceed' };
    await world.database
      .insertInto('rollout_verdict')
      .values({ ...row, reasons: JSON.stringify(reasons), inputs: JSON.stringify(inputs) })
      .execute();
    expect((await world.service.show(id)).verdicts[0]).toEqual({
      at: 1,
      phase: 1,
      verdict: 'proceed',
      reasons,
    });
    expect((await world.store.verdicts(id, 1))[0]).toMatchObject({ gates: 1, inputs });
  });
});
