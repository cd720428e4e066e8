/** The hub's clock was ahead while a rollout was under way, and was set back. */
import { afterEach, expect, it } from 'vitest';
import { clampFutureRolloutTimes } from '../../../../hub/rollout/future-times.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { RolloutWorld } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
afterEach(async () => {
  await world.close();
});

it('leaves no retry that waits for the wrong time, and keeps evidence with its offer', async () => {
  world = await RolloutWorld.open({ devices: 2, hasTelemetry: true });
  const { id } = await world.create({ phases: [{ percent: 100 }] });
  await world.runner.evaluate(id);
  const now = world.clock.now();
  const ahead = now + 30 * 86_400_000;
  const { database, rows } = world;
  await database.updateTable('rollout_device').set({ offered_at: ahead, tried_at: ahead }).execute();
  const row = { rollout_id: id, device_id: 'device-000', offered_at: ahead, credit_ms: 0, updated_at: ahead };
  await database
    .insertInto('telemetry_evidence')
    .values({ ...row, body: Buffer.alloc(0) })
    .execute();
  await clampFutureRolloutTimes(database, now);
  await new EvidenceStore(database).clampFutureTimes(now);
  expect(await rows.list(id)).toMatchObject([
    { offeredAt: now, triedAt: now },
    { offeredAt: now, triedAt: now },
  ]);
  expect(await database.selectFrom('telemetry_evidence').selectAll().execute()).toMatchObject([
    { offered_at: now, updated_at: now },
  ]);
});
