import { createHash } from 'node:crypto';
import { setImmediate as soon } from 'node:timers/promises';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { TransferService } from '../../../../hub/transfer/transfer-service.ts';

const digest = (n: number) => createHash('sha256').update(String(n)).digest('hex');
const manifest = digest(0);

let now: number;
let sent: { device: string; topic: string; payload: Uint8Array }[];
let release: (() => void)[];
let stalled: Set<string>;
let blobs: Map<string, Uint8Array>;
let service: TransferService;

function makeService(downloadsAtOnceMax = 2): TransferService {
  return new TransferService({
    broker: {
      async send(device, topic, payload) {
        if (stalled.has(device)) await new Promise<void>((resolve) => release.push(resolve));
        sent.push({ device, topic, payload });
        return true;
      },
    },
    director: { offered: async (device) => new Set(device === 'stranger' ? [] : [manifest]) },
    versions: { hasChunk: async (_manifest, chunk) => chunk !== digest(99) },
    blobs: { get: async (name) => blobs.get(name) },
    clock: { now: () => now, monotonic: () => now, sleep: async () => undefined },
    random: () => 0.5,
    logger: pino({ level: 'silent' }),
    downloadsAtOnceMax,
  });
}

const ask = (device: string, chunks: string[], request = 1) =>
  service.receive(device, Buffer.from(JSON.stringify({ v: 1, request, manifest, chunks })));
const settle = async () => {
  for (let i = 0; i < 5; i += 1) await soon();
};
const topicsSent = () => sent.map(({ topic }) => topic);
const errors = () =>
  sent
    .filter(({ topic }) => topic.endsWith('chunk/error'))
    .map(({ payload }) => JSON.parse(Buffer.from(payload).toString()));

beforeEach(() => {
  now = 0;
  sent = [];
  release = [];
  stalled = new Set();
  blobs = new Map([0, 1, 2, 3, 4, 99].map((n) => [digest(n), Buffer.from(String(n))]));
  service = makeService();
});

describe('TransferService', () => {
  it('sends each chunk asked for on a topic of its digest, the manifest too', async () => {
    await ask('a', [manifest, digest(1)]);
    await settle();
    expect(topicsSent()).toEqual([`mf/1/d/a/chunk/${manifest}`, `mf/1/d/a/chunk/${digest(1)}`]);
    expect(service.bytesSent).toBe(2);
  });

  it('refuses a version the device was not offered', async () => {
    await ask('stranger', [digest(1)]);
    await settle();
    expect(sent).toHaveLength(1);
    expect(errors()).toEqual([{ v: 1, request: 1, code: 'not_offered' }]);
  });

  it('refuses a chunk of another version, though the hub has it', async () => {
    await ask('a', [digest(99)]);
    await settle();
    expect(errors()).toEqual([{ v: 1, request: 1, code: 'missing' }]);
  });

  it('sends what it has before it says that some is missing', async () => {
    blobs.delete(digest(1));
    await ask('a', [digest(1), digest(2)]);
    await settle();
    expect(topicsSent()).toEqual([`mf/1/d/a/chunk/${digest(2)}`, 'mf/1/d/a/chunk/error']);
  });

  it('takes garbage for a request as read', async () => {
    await service.receive('a', Buffer.from('not json'));
    await service.receive('a', Buffer.from(JSON.stringify({ v: 1, request: 1, manifest, chunks: [] })));
    await settle();
    expect(sent).toEqual([]);
  });

  it('answers busy, with a wait, when a device asks for more than its credit', async () => {
    stalled.add('a');
    await ask('a', [1, 2, 3, 4].map(digest), 1);
    await ask('a', [1, 2, 3, 4].map(digest), 2);
    await settle();
    stalled.delete('a');
    await ask('a', [digest(1)], 3);
    await settle();
    expect(errors()).toEqual([{ v: 1, request: 3, code: 'busy', retryAfterMs: 3_000 }]);
  });

  it('serves only so many devices at once, and a further one when another has gone quiet', async () => {
    await ask('a', [digest(1)]);
    await ask('b', [digest(1)]);
    await ask('c', [digest(1)], 7);
    await settle();
    expect(errors()).toEqual([{ v: 1, request: 7, code: 'busy', retryAfterMs: 3_000 }]);
    await ask('b', [digest(2)]);
    now += 5_001;
    await ask('c', [digest(1)]);
    await settle();
    expect(topicsSent().at(-1)).toBe(`mf/1/d/c/chunk/${digest(1)}`);
  });

  it('acknowledges and serves others while a device does not read', async () => {
    stalled.add('a');
    await ask('a', [1, 2, 3, 4].map(digest));
    await ask('b', [digest(1)]);
    await settle();
    expect(topicsSent()).toEqual([`mf/1/d/b/chunk/${digest(1)}`]);
  });
});
