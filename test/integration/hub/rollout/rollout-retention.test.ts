import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../../../../hub/audit/audit-log.ts';
import { ProcessLeases } from '../../../../hub/rollout/process-leases.ts';
import { RolloutHistoryStore } from '../../../../hub/rollout/rollout-history-store.ts';
import { RolloutRetention } from '../../../../hub/rollout/rollout-retention.ts';
import { operator, RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

const DAY_MS = 86_400_000;
const all = [{ percent: 100 }];

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<void> {
  world = await RolloutWorld.open(options);
}
afterEach(async () => {
  await world.close();
});

function retentionOf({
  leases = new ProcessLeases(),
  append = (...args: Parameters<AuditLog['append']>) => auditOf().append(...args),
} = {}): RolloutRetention {
  const store = new RolloutHistoryStore(world.database);
  return new RolloutRetention({ store, leases, audit: { append }, keptMs: 400 * DAY_MS });
}

function auditOf(): AuditLog {
  return new AuditLog({ database: world.database, clock: world.clock });
}

async function complete(version: string): Promise<string> {
  const { id } = await world.create({ version, phases: all });
  await world.runUntil(id, ['completed']);
  return id;
}

async function rowsOf(id: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`select
    (select count(*) from rollout where id = ${id}) + (select count(*) from rollout_device where rollout_id = ${id})
    + (select count(*) from rollout_verdict where rollout_id = ${id}) as n`.execute(world.database);
  return rows[0]!.n;
}

describe('RolloutRetention', () => {
  it('deletes a rollout as a whole when it ended long ago and no device runs a version for it', async () => {
    await open({ devices: 3 });
    const old = await complete('2.0.0');
    world.clock.advance(401 * DAY_MS);
    const retention = retentionOf();
    expect(await retention.find(world.clock.now(), 10)).toMatchObject({ count: 0, isMore: false });
    expect(await retention.removeSome(world.clock.now())).toMatchObject({ count: 0 });
    const { id: running } = await world.create({ version: '3.0.0', phases: all });
    await world.runUntil(running, ['completed']);
    expect(await retention.find(world.clock.now(), 10)).toMatchObject({ count: 1, isMore: false });
    expect(await retention.removeSome(world.clock.now())).toMatchObject({ count: 1, isMore: false });
    await expect(world.service.show(old)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('--history-kept'),
    });
    await expect(world.service.rollback(old, { actor: operator })).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(await rowsOf(old)).toBe(0);
    expect(await rowsOf(running)).toBeGreaterThan(3);
    expect(await auditOf().list({ action: 'rollout.removed' })).toMatchObject([
      { target: `rollout/${old}`, details: { version: '2.0.0', status: 'completed', devices: 3 } },
    ]);
  });

  it('keeps one that devices are to run a version for, and it can still be rolled back', async () => {
    await open({ devices: 2 });
    const id = await complete('2.0.0');
    world.clock.advance(2_000 * DAY_MS);
    expect(await retentionOf().removeSome(world.clock.now())).toMatchObject({ count: 0 });
    await world.service.rollback(id, { actor: operator });
    await world.runUntil(id, ['rolled-back']);
    expect(world.carrying('1.0.0')).toHaveLength(2);
  });

  it('keeps one whose rollback a device has not confirmed, until it has, or is removed', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ version: '2.0.0', phases: all, silenceMs: 10_000 });
    await world.runUntil(id, ['completed']);
    const [dead] = [...world.devices.values()];
    dead!.manner = 'dead';
    await world.service.rollback(id, { actor: operator });
    await world.runUntil(id, ['rolled-back']);
    // The rollback target is replaced, so that the desired state no longer names the rollout.
    await world.database.updateTable('desired_model').set({ rollout_id: null }).execute();
    world.clock.advance(500 * DAY_MS);
    expect(await retentionOf().removeSome(world.clock.now())).toMatchObject({ count: 0 });
    await world.remove(dead!.id);
    expect(await retentionOf().removeSome(world.clock.now())).toMatchObject({ count: 1 });
  });

  it('deletes all of a rollout or nothing', async () => {
    await open({ devices: 3 });
    const old = await complete('2.0.0');
    await complete('3.0.0');
    world.clock.advance(401 * DAY_MS);
    const before = await rowsOf(old);
    const append = async () => {
      throw new Error('killed');
    };
    await expect(retentionOf({ append }).removeSome(world.clock.now())).rejects.toThrow('killed');
    expect(await rowsOf(old)).toBe(before);
  });

  it('keeps one whose rollback has begun since it was found', async () => {
    await open({ devices: 2 });
    const old = await complete('2.0.0');
    await complete('3.0.0');
    world.clock.advance(401 * DAY_MS);
    const leases = new ProcessLeases();
    let letGo: () => void = () => undefined;
    const held = leases.hold(
      old,
      () =>
        new Promise<void>((resolve) => {
          letGo = resolve;
        }),
    );
    const removing = retentionOf({ leases }).removeSome(world.clock.now());
    await new Promise((resolve) => setImmediate(resolve));
    await world.service.rollback(old, { actor: operator });
    letGo();
    await held;
    expect(await removing).toMatchObject({ isMore: false });
    expect(await rowsOf(old)).toBeGreaterThan(0);
  });
});
