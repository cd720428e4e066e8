/** Devices report during an evaluation: the reports are stored meanwhile, and must not wait for the next timer. */
import { afterEach, expect, it } from 'vitest';
import { digestOf } from '../../../support/rollout-device.ts';
import { model, RolloutWorld } from '../../../support/rollout-world.ts';

let world: RolloutWorld;
afterEach(async () => {
  await world.close();
});

it('evaluates again at once when a device has reported after an evaluation read its input', async () => {
  world = await RolloutWorld.open({ devices: 1 });
  const { id } = await world.create({ phases: [{ percent: 100 }], soakMs: 0 });
  await world.runner.evaluate(id);
  let sent: Promise<void> | undefined;
  world.onCommit = () => {
    sent ??= world.uplink.event('device-000', {
      v: 1,
      id: 'stream-1',
      at: new Date(world.clock.now()).toISOString(),
      model,
      version: '2.0.0',
      manifest: digestOf('2.0.0'),
      rollout: id,
      sequence: 2,
      state: 'committed',
    });
  };
  await world.runner.evaluate(id);
  await sent;
  expect((await world.service.show(id)).counts).toEqual({ succeeded: 1 });
  // No time has passed.
  await world.runner.tick();
  expect((await world.service.show(id)).status).toBe('completed');
});
