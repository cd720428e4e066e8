import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { MqttSession } from '../../../../agent/connection/mqtt-session.ts';
import { ChunkFetcher } from '../../../../agent/download/chunk-fetcher.ts';
import { ChunkStore } from '../../../../agent/download/chunk-store.ts';
import { MqttChunkTransport } from '../../../../agent/download/mqtt-chunk-transport.ts';
import { TransferService } from '../../../../hub/transfer/transfer-service.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { ConnectionHub } from '../../../support/connection-hub.ts';
import { digestOf } from '../../../support/packed-version.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const logger = pino({ level: 'silent' });
const manifest = 'a'.repeat(64);
const never = new AbortController().signal;
const CHUNKS = 8;
const DEVICES = 6;
/** Requests for chunks after which the hub restarts, and after which one connection breaks. All ask again after the restart. */
const RESTART_AT = 2 * DEVICES;
const BREAK_AT = RESTART_AT + 3;

function makeBlobs(): Map<string, Buffer> {
  const blobs = Array.from({ length: CHUNKS }, () => randomBytes(limits.chunkBytes));
  return new Map(blobs.map((blob) => [digestOf(blob), blob]));
}

/** An agent's download over its real connection. */
async function makeDevice(hub: ConnectionHub, id: string) {
  const identity = await hub.enrol(id);
  const store = new ChunkStore(await tempFolder());
  await store.load();
  const nothing = () => undefined;
  const session: MqttSession = new MqttSession({
    identity,
    clock: systemClock,
    floor: systemClock,
    random: Math.random,
    logger,
    waits: {
      lost: { firstMs: 10, maxMs: 100 },
      refused: { firstMs: 60_000, maxMs: 60_000 },
      stableMs: 0,
    },
    handlers: {
      connected: () => fetcher.linkChanged(),
      disconnected: () => fetcher.linkChanged(),
      desired: nothing,
      command: nothing,
      trust: () => true,
      chunk: (digest, payload) => fetcher.receive(digest, payload),
      chunkError: (payload) => fetcher.receiveError(payload),
    },
  });
  const fetcher: ChunkFetcher = new ChunkFetcher({
    transport: new MqttChunkTransport(session),
    store,
    clock: systemClock,
    random: Math.random,
    logger,
  });
  onTestFinished(() => session.close());
  session.start();
  await vi.waitFor(() => expect(session.isConnected).toBe(true), 20_000);
  return { fetcher, store };
}

it('serves every device while two chunks fit in memory, though a connection breaks and the hub restarts', async () => {
  const hub = await ConnectionHub.start();
  onTestFinished(() => hub.stop());
  const blobs = makeBlobs();
  const digests = [...blobs.keys()];
  const makeTransfer = () =>
    new TransferService({
      broker: hub.broker,
      director: { offered: async () => new Set([manifest]) },
      versions: { hasChunk: async () => true },
      blobs: { get: async (digest) => blobs.get(digest) },
      clock: systemClock,
      logger,
      fastBytesMax: limits.chunkBytes,
      slowBytesMax: limits.chunkBytes,
    });
  let transfer = makeTransfer();
  let requests = 0;
  hub.handlers['chunk/get'] = (id, payload) => {
    requests += 1;
    if (requests === RESTART_AT) {
      // As after a restart: nothing is known of who waits, and every connection is new.
      transfer = makeTransfer();
      for (let n = 0; n < DEVICES; n += 1) hub.broker.disconnect(`crowd-${n}`);
    }
    if (requests === BREAK_AT) hub.broker.disconnect('crowd-0');
    return transfer.receive(id, payload);
  };
  const devices = [];
  for (let n = 0; n < DEVICES; n += 1) devices.push(await makeDevice(hub, `crowd-${n}`));
  await Promise.all(devices.map(({ fetcher }) => fetcher.fetch(manifest, digests, never)));
  for (const { store } of devices) expect(digests.every((digest) => store.has(digest))).toBe(true);
  expect(requests).toBeGreaterThanOrEqual(BREAK_AT);
}, 60_000);
