/** A device that was removed from the hub is in no rollout any more, whenever it is removed. */
import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { operator, RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<RolloutWorld> {
  world = await RolloutWorld.open(options);
  return world;
}
afterEach(async () => {
  await world.close();
});

describe('a device that is removed', () => {
  it('is no longer waited for: the phase continues at once with the remaining devices', async () => {
    await open({ devices: 3, manner: (n) => (n === 1 ? 'stuck' : 'good') });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.settle();
    expect((await world.service.show(id)).counts).toEqual({ succeeded: 2, downloading: 1 });
    await world.remove('device-001');
    const detail = await world.runUntil(id, ['completed'], { stepsMax: 5 });
    expect(detail).toMatchObject({ target: 2, counts: { succeeded: 2, removed: 1 } });
  });

  it('is not among the failed when it had failed, nor among the succeeded', async () => {
    await open({ devices: 4, manner: (n) => (n === 0 ? 'rejects' : 'good') });
    const { id } = await world.create({ phases: [{ percent: 100 }], gates: { maxFailures: 0.3 } });
    await world.settle();
    await world.remove('device-000');
    await world.remove('device-001');
    const detail = await world.runUntil(id, ['completed']);
    expect(detail.counts).toEqual({ succeeded: 2, removed: 2 });
    expect(detail.verdicts[0]!.reasons.map(({ text }) => text)).toContain(
      '0 of 2 completed devices failed (at most 30 %)',
    );
  });

  it('frees its place in the first phase for the next in the order', async () => {
    await open({ devices: 4, manner: () => 'stuck' });
    const { id } = await world.create();
    const [canary] = (await world.service.show(id)).devices;
    await world.settle();
    await world.remove(canary!.device);
    await world.settle();
    await world.settle();
    const { devices, counts } = await world.service.show(id);
    expect(counts).toEqual({ pending: 2, downloading: 1, removed: 1 });
    const next = devices.find(({ status }) => status === 'downloading')!;
    expect(next).toMatchObject({ phase: 1 });
    expect(devices.find(({ device }) => device === canary!.device)).not.toHaveProperty('phase');
  });

  it('ends a rollout when it was the last one, which is no success', async () => {
    await open({ devices: 1, manner: () => 'stuck' });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.settle();
    await world.remove('device-000');
    await world.runner.tick();
    expect(await world.service.show(id)).toMatchObject({
      status: 'aborted',
      reason: 'every device of it was removed from the hub',
      target: 0,
    });
  });

  it('delays no other rollout and no rollback', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    world.devices.get('device-000')!.manner = 'dead';
    await world.service.rollback(id, { actor: operator });
    await world.settle();
    expect((await world.service.show(id)).revert).toEqual({ reverted: 1, pending: 1 });
    await world.remove('device-000');
    const detail = await world.runUntil(id, ['rolled-back'], { stepsMax: 5 });
    expect(detail.reason).toBe(
      'every device has been rolled back; 1 were removed from the hub: "device-000"',
    );
    expect(detail.revert).toEqual({ reverted: 1, removed: 1 });
  });

  it('leaves no desired state behind, and the sequence of its id continues', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    const sequence = async () =>
      (await world.database
        .selectFrom('desired_statement')
        .selectAll()
        .where('device_id', '=', 'device-000')
        .executeTakeFirst())!.sequence;
    const before = await sequence();
    await world.remove('device-000');
    expect(world.retained.get('device-000')).toHaveLength(0);
    expect((await world.director.offered('device-000')).size).toBe(0);
    expect(await world.director.current('air-quality', ['device-000'])).toEqual(new Map());
    world.retained.delete('device-000');
    world.clock.advance(30 * 86_400_000);
    await world.director.republishAll();
    expect(world.retained.has('device-000')).toBe(false);
    await world.director.assign([{ deviceId: 'device-000', model: 'air-quality' }]);
    expect(await sequence()).toBe(before + 1);
    expect((await world.service.show(id)).counts.removed).toBe(1);
  });

  it('is another device than the machine enrolled under its id: an earlier rollout ignores its reports', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    const [old] = [...world.devices.values()];
    await world.remove(old!.id);
    const reported = { ...old!.reportedState(), sequence: 99 };
    await world.store.transaction((tx) => world.runner.handleReport(old!.id, reported, tx));
    expect((await world.service.show(id)).counts).toEqual({ succeeded: 1, removed: 1 });
    await world.service.rollback(id, { actor: operator });
    await world.runUntil(id, ['rolled-back']);
    expect(world.retained.get(old!.id)).toHaveLength(0);
  });
});

it('removals at any moment let every rollout end, keep its cap, and count no removed device in a share', {
  timeout: 240_000,
}, async () => {
  const manners = ['good', 'good', 'good', 'rejects', 'rolls-back', 'stuck', 'dead'] as const;
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = seededRandom(seed);
    const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
    await open({ devices: 8, manner: () => pick(manners) });
    const removed = new Set<string>();
    const { id } = await world.create({
      gates: { maxFailures: 0.5, maxSilent: 1, ...(random() < 0.3 ? { minCompleted: 3 } : {}) },
      silenceMs: 5_000,
      deviceTimeoutMs: 700_000,
      phaseTimeoutMs: 800_000,
    });
    let allowed = 0;
    for (let step = 0; step < 120; step += 1) {
      const what = `seed ${seed}, step ${step}`;
      if (random() < 0.1 && world.devices.size > 0) {
        const gone = pick([...world.devices.keys()]);
        removed.add(gone);
        await world.remove(gone);
        if (random() < 0.3) world.rebuild();
      }
      const { status } = await world.service.show(id);
      if (status === 'running') allowed = Math.max(allowed, await world.cap(id));
      if (status === 'running' && random() < 0.05) await world.service.pause(id, { actor: operator });
      if (status === 'paused') await world.service.resume(id, { actor: operator });
      await world.settle();
      const detail = await world.service.show(id);
      expect(detail.counts.removed ?? 0, what).toBe(removed.size);
      expect(detail.target, what).toBe(8 - removed.size);
      expect(world.carrying('2.0.0').length, what).toBeLessThanOrEqual(
        Math.max(allowed, await world.cap(id)),
      );
      for (const { phase, inputs } of await world.store.verdicts(id, 1)) {
        const counted = Object.values(inputs.counts).reduce((sum, count) => sum + count, 0);
        expect(counted, `${what}, phase ${phase}`).toBe(inputs.devices);
        expect(inputs.counts.removed, what).toBeUndefined();
      }
      world.clock.advance(20_000);
      await world.runner.tick();
    }
    const { status, counts, verdicts } = await world.service.show(id);
    const last = JSON.stringify({ counts, verdict: verdicts[0] });
    expect(['completed', 'aborted', 'paused'], `seed ${seed}: ${last}`).toContain(status);
    await world.close();
  }
  await open({ devices: 0 });
});
