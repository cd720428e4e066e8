import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { DeviceWriter, type InboxMessage } from '../../../../hub/devices/device-writer.ts';
import { DeviceInbox } from '../../../../hub/inbox/device-inbox.ts';
import type { UpdateEvent } from '../../../../shared/protocol/update-event.ts';
import { digestOf } from '../../../support/rollout-device.ts';
import { RolloutWorld } from '../../../support/rollout-world.ts';

const HOUR_MS = 3_600_000;
let world: RolloutWorld;
afterEach(async () => {
  await world.close();
});

/** Rows that `work` has written. */
async function rowsWritten(work: () => Promise<unknown>): Promise<number> {
  const total = async () => {
    const { rows } = await sql<{ n: number }>`select total_changes() as n`.execute(world.database);
    return rows[0]!.n;
  };
  const before = await total();
  await work();
  return (await total()) - before;
}

describe('the report of a device', () => {
  it('writes nothing for a rollout that has ended, however often the device reports that it runs the version', async () => {
    world = await RolloutWorld.open({ devices: 1 });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.runUntil(id, ['completed']);
    const [device] = world.devices.values();
    for (let n = 0; n < 3; n += 1) {
      world.clock.advance(HOUR_MS);
      expect(await rowsWritten(() => device!.report(world.uplink))).toBe(0);
    }
  });

  it('writes one row while its silence matters, and none soon after that', async () => {
    world = await RolloutWorld.open({ devices: 1, manner: () => 'stuck' });
    const { id } = await world.create({ phases: [{ percent: 100 }], silenceMs: HOUR_MS });
    await world.settle();
    const [device] = world.devices.values();
    world.clock.advance(60_000);
    expect((await world.service.show(id)).status).toBe('running');
    expect(await rowsWritten(() => device!.report(world.uplink))).toBe(1);
    world.clock.advance(1_000);
    expect(await rowsWritten(() => device!.report(world.uplink))).toBe(0);
  });

  it('is stored, with its consequences, in one transaction', async () => {
    world = await RolloutWorld.open({ devices: 1, manner: () => 'stuck' });
    const { id } = await world.create({ phases: [{ percent: 100 }] });
    await world.settle();
    const inbox = new DeviceInbox({ database: world.database, logger: pino({ level: 'silent' }) });
    const writer = new DeviceWriter(new DeviceStore(world.database));
    writer.eventListeners.push((device, event, tx) => world.runner.handleEvent(device, event, tx));
    const [device] = world.devices.values();
    const event: UpdateEvent = {
      v: 1,
      id: 'e-1',
      at: '2026-01-01T00:00:00Z',
      model: 'air-quality',
      version: '2.0.0',
      manifest: digestOf('2.0.0'),
      sequence: 2,
      state: 'committed',
      rollout: id,
    };
    const body: InboxMessage = { kind: 'event', event, at: world.clock.now() };
    const entry = { deviceId: device!.id, body, bytes: 200 };
    // The event, and the row of the device in the rollout.
    expect(await rowsWritten(() => inbox.store(writer, entry))).toBe(2);
    expect(inbox.counts).toMatchObject({ stored: 1, batches: 1 });
    expect(await rowsWritten(() => inbox.store(writer, entry))).toBe(0);
    await inbox.close();
    expect((await world.service.show(id)).counts).toMatchObject({ succeeded: 1 });
  });
});
