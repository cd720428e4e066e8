import { afterEach, describe, expect, it } from 'vitest';
import { operator, RolloutWorld, type RolloutWorldOptions } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
async function open(options: RolloutWorldOptions): Promise<RolloutWorld> {
  world = await RolloutWorld.open(options);
  return world;
}
afterEach(async () => {
  await world.close();
});

describe('a rollback', () => {
  it('rolls a completed rollout back on every device, and says when all are back', async () => {
    await open({ devices: 5 });
    const { id } = await world.create({ silenceMs: 3_600_000 });
    await world.runUntil(id, ['completed']);
    expect((await world.service.rollback(id, { actor: operator })).status).toBe('rolling-back');
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe('every device is back');
    expect(world.carrying('1.0.0')).toHaveLength(5);
  });

  it('does not wait for ever for a silent device when rolling back, and names how many', async () => {
    await open({ devices: 3 });
    const { id } = await world.create({ silenceMs: 10_000 });
    await world.runUntil(id, ['completed']);
    const [dead] = [...world.devices.values()];
    dead!.manner = 'dead';
    await world.service.rollback(id, { actor: operator });
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toMatch(/^1 of 3 devices did not go back in time/);
    dead!.manner = 'good';
    await world.settle();
    expect(world.carrying('1.0.0')).toHaveLength(3);
  });

  it('waits for nothing when there is no version to go back to: devices keep what they have', async () => {
    await open({ devices: 2, running: null });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    for (const device of world.devices.keys()) world.connected.add(device);
    await world.service.rollback(id, { actor: operator });
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toBe(
      'every device is back; 2 had no version to go back to and keep what they have',
    );
    expect(world.carrying('2.0.0')).toHaveLength(2);
  });

  it('does not wait for ever for a device that lives and does not go back', async () => {
    await open({ devices: 2 });
    const { id } = await world.create({ phases: [{ percent: 100 }], deviceTimeoutMs: 700_000 });
    await world.runUntil(id, ['completed']);
    const [stubborn] = [...world.devices.values()];
    stubborn!.manner = 'dead';
    world.connected.add(stubborn!.id);
    await world.service.rollback(id, { actor: operator });
    world.clock.advance(690_000);
    await world.settle();
    expect((await world.service.show(id)).status).toBe('rolling-back');
    const detail = await world.runUntil(id, ['rolled-back']);
    expect(detail.reason).toMatch(/^1 of 2 devices did not go back in time/);
  });

  it('leaves devices alone that a later rollout has taken over', async () => {
    await open({ devices: 2 });
    const first = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(first.id, ['completed']);
    const second = await world.create({ version: '3.0.0', phases: [{ percent: 100 }] });
    await world.runUntil(second.id, ['completed']);
    await world.service.rollback(first.id, { actor: operator });
    await world.runUntil(first.id, ['rolled-back']);
    await world.settle();
    expect(world.carrying('3.0.0')).toHaveLength(2);
    expect((await world.service.show(second.id)).counts).toEqual({ succeeded: 2 });
  });
});
