import { setImmediate as soon } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { TransferService } from '../../../../hub/transfer/transfer-service.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { RolloutWorld } from '../../../support/rollout-world.ts';

const manifest = 'a'.repeat(64);
const chunk = 'b'.repeat(64);

it('does not time out a device that is queued for its download: its time begins when it is served', async () => {
  const world = await RolloutWorld.open({ devices: 4, manner: () => 'stuck' });
  onTestFinished(() => world.close());
  for (const id of world.devices.keys()) world.connected.add(id);

  // A hub with a capacity of one chunk, and a socket that accepts nothing until it is released.
  let isOpen = false;
  const taking: (() => void)[] = [];
  const transfer = new TransferService({
    broker: {
      send: async () => {
        if (!isOpen) await new Promise<void>((resolve) => taking.push(resolve));
        return true;
      },
      disconnect: () => undefined,
      unreadMark: () => 0,
    },
    director: { offered: async () => new Set([manifest]) },
    versions: { hasChunk: async () => true },
    blobs: { get: async () => Buffer.alloc(limits.chunkBytes) },
    clock: world.clock,
    logger: pino({ level: 'silent' }),
    fastBytesMax: limits.chunkBytes,
    slowBytesMax: limits.chunkBytes,
  });
  world.download = (id) => transfer.download(id);
  const request = Buffer.from(JSON.stringify({ v: 1, request: 1, manifest, chunks: [chunk] }));

  const times = { trial: { seconds: 1 }, deviceTimeoutMs: 60_000, phaseTimeoutMs: 86_400_000 };
  const { id } = await world.create({ phases: [{ percent: 100 }], ...times });
  for (const busy of ['elsewhere-1', 'elsewhere-2']) await transfer.receive(busy, request);
  await world.settle();
  for (const device of world.devices.keys()) await transfer.receive(device, request);

  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10_000) {
      world.clock.advance(10_000);
      await soon();
      await world.runner.tick();
    }
  };
  await pass(300_000);
  expect(await world.service.show(id)).toMatchObject({ status: 'running', counts: { downloading: 4 } });

  isOpen = true;
  for (const take of taking) take();
  await pass(50_000);
  expect(await world.service.show(id)).toMatchObject({ status: 'running', counts: { downloading: 4 } });
  // Served, and its chunks have just come: the link is slow, which is no evidence against the version.
  await pass(20_000);
  expect((await world.service.show(id)).counts).toEqual({ blocked: 4 });
  // Served long ago: no more chunks are in flight to wait for.
  await pass(limits.chunkSilenceMsMax);
  const { status, reason } = await world.service.show(id);
  expect({ status, reason }).toMatchObject({ status: 'aborted', reason: expect.stringContaining('4 of 4') });
}, 60_000);
