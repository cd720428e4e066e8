import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { MqttSession } from '../../../../agent/connection/mqtt-session.ts';
import { ChunkFetcher } from '../../../../agent/download/chunk-fetcher.ts';
import { ChunkStore } from '../../../../agent/download/chunk-store.ts';
import { MqttChunkTransport } from '../../../../agent/download/mqtt-chunk-transport.ts';
import { TransferService } from '../../../../hub/transfer/transfer-service.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { ConnectionHub } from '../../../support/connection-hub.ts';
import { digestOf } from '../../../support/packed-version.ts';
import { SimulatedLine, type SimulatedLineOptions } from '../../../support/simulated-line.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { throttledLine } from '../../../support/throttled-line.ts';

const logger = pino({ level: 'silent' });
const manifest = 'a'.repeat(64);
const never = new AbortController().signal;

function makeBlobs(count: number): Map<string, Buffer> {
  const blobs = Array.from({ length: count }, () => randomBytes(limits.chunkBytes));
  return new Map(blobs.map((blob) => [digestOf(blob), blob]));
}

/** Fetches 16 chunks; how much longer than the bytes alone it took, and which share of the bytes came for nothing. */
async function fetchOver(more: Omit<SimulatedLineOptions, 'blobs'>) {
  const blobs = makeBlobs(16);
  const line = new SimulatedLine({ blobs, ...more });
  const store = new ChunkStore(await tempFolder());
  await store.load();
  const fetcher = new ChunkFetcher({ transport: line, store, clock: line.clock, random: () => 0.5, logger });
  Object.assign(line, { store, fetcher });
  const digests = [...blobs.keys()];
  // The manifest comes first, and says little about the line.
  const small = Buffer.from('manifest');
  blobs.set(digestOf(small), small);
  const ms = await line.run(
    fetcher.fetch(manifest, [digestOf(small)], never).then(() => fetcher.fetch(manifest, digests, never)),
  );
  expect(digests.every((digest) => store.has(digest))).toBe(true);
  const bytes = digests.length * limits.chunkBytes;
  return { slowness: ms / 1_000 / (bytes / more.bytesPerSecond), duplicates: line.bytesSent / bytes - 1 };
}

it.each([
  [5_000, 600],
  [10_000, 600],
  [20_000, 600],
  [60_000, 600],
  [200_000, 600],
  [5_000_000, 20],
])(
  'at %d bytes a second, %d ms there and back, it asks for nothing twice, and the line is hardly ever idle',
  async (bytesPerSecond, roundTripMs) => {
    const { slowness, duplicates } = await fetchOver({ bytesPerSecond, roundTripMs });
    expect(duplicates).toBeLessThan(0.05);
    expect(slowness).toBeLessThan(1.15);
  },
);

it('asks for at most one chunk again after the line was away for a minute', async () => {
  const { duplicates } = await fetchOver({
    bytesPerSecond: 20_000,
    roundTripMs: 600,
    outage: [60_000, 120_000],
  });
  expect(duplicates).toBeLessThanOrEqual(2 / 16);
});

it('asks again for what the hub forgot, once the line is silent', async () => {
  const blobs = makeBlobs(6);
  const digests = [...blobs.keys()];
  const line = new SimulatedLine({
    bytesPerSecond: 60_000,
    roundTripMs: 600,
    blobs,
    forgotten: [digests[3]!, digests[4]!],
  });
  const store = new ChunkStore(await tempFolder());
  await store.load();
  const fetcher = new ChunkFetcher({ transport: line, store, clock: line.clock, random: () => 0.5, logger });
  Object.assign(line, { store, fetcher });
  const ms = await line.run(fetcher.fetch(manifest, digests, never));
  expect(digests.every((digest) => store.has(digest))).toBe(true);
  expect(ms).toBeLessThan(120_000);
});

it('asks for nothing twice over the real connection, when a chunk takes longer than an answer may', async () => {
  const hub = await ConnectionHub.start();
  onTestFinished(() => hub.stop());
  const identity = await hub.enrol('slow-1');
  const line = await throttledLine(hub.broker.port, 250_000);
  onTestFinished(() => line.close());
  const blobs = makeBlobs(6);
  const transfer = new TransferService({
    broker: hub.broker,
    director: { offered: async () => new Set([manifest]) },
    versions: { hasChunk: async () => true },
    blobs: { get: async (digest) => blobs.get(digest) },
    clock: systemClock,
    logger,
  });
  hub.handlers['chunk/get'] = (id, payload) => transfer.receive(id, payload);
  const nothing = () => undefined;
  let lost = 0;
  const session: MqttSession = new MqttSession({
    identity: { ...identity, mqtt: { host: 'localhost', port: line.port } },
    clock: systemClock,
    floor: systemClock,
    random: Math.random,
    logger,
    handlers: {
      connected: () => fetcher.linkChanged(),
      disconnected: () => {
        lost += 1;
        fetcher.linkChanged();
      },
      desired: nothing,
      command: nothing,
      trust: () => true,
      chunk: (digest, payload) => fetcher.receive(digest, payload),
      chunkError: (payload) => fetcher.receiveError(payload),
    },
  });
  const store = new ChunkStore(await tempFolder());
  await store.load();
  const fetcher: ChunkFetcher = new ChunkFetcher({
    transport: new MqttChunkTransport(session),
    store,
    clock: systemClock,
    random: Math.random,
    logger,
    answerMs: 500,
  });
  onTestFinished(() => session.close());
  session.start();
  await fetcher.fetch(manifest, [...blobs.keys()], never);
  expect(lost).toBe(0);
  expect(transfer.bytesSent).toBe(blobs.size * limits.chunkBytes);
}, 30_000);
