import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import type { GateInputs, Judgement } from '../../../../hub/rollout/gates.ts';
import { RolloutStore } from '../../../../hub/rollout/rollout-store.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { insertRollouts } from '../../../support/stored-rollouts.ts';

it('keeps the latest verdicts of a rollout, however often its verdict changes, and all of another', async () => {
  const database = await openDatabase(':memory:');
  onTestFinished(() => database.destroy());
  await insertRollouts(database, [
    { id: 'r-1', createdAt: 1 },
    { id: 'r-2', createdAt: 2 },
  ]);
  const store = new RolloutStore(database);
  const judgement: Judgement = { verdict: 'hold', reasons: [] };
  const add = (id: string, now: number) =>
    store.transaction((tx) =>
      store.addVerdict(id, { inputs: { now, phase: 0 } as GateInputs, judgement }, tx),
    );
  await add('r-2', 0);
  for (let now = 1; now <= limits.rolloutVerdictsKeptMax + 3; now += 1) await add('r-1', now);
  const kept = await store.verdicts('r-1', 10_000);
  expect(kept).toHaveLength(limits.rolloutVerdictsKeptMax);
  expect(kept.at(-1)!.at).toBe(4);
  expect(await store.verdicts('r-2', 10)).toHaveLength(1);
});
