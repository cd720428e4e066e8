import { createHash } from 'node:crypto';
import { setImmediate as soon } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Refusal } from '../../../../hub/security/refusal.ts';
import { TransferService } from '../../../../hub/transfer/transfer-service.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { type LoggedLine, loggedLines } from '../../../support/logged.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const digest = (n: number) => createHash('sha256').update(String(n)).digest('hex');
const manifest = digest(0);

let clock: ManualClock;
let sent: { device: string; topic: string; payload: Uint8Array }[];
/** Devices whose sockets take nothing, with the chunks that wait there. */
let stalled: Map<string, (() => void)[]>;
let closed: string[];
/** What sockets have not taken. */
let unread: Map<string, number>;
let offered: Set<string>;
let blobs: Map<string, Uint8Array>;
let service: TransferService;
let lines: LoggedLine[];
let refused: Refusal[];

/** A hub that holds so many chunks at once. */
function makeService(chunksAtOnce = 8): TransferService {
  const bytesMax = chunksAtOnce * limits.chunkBytes;
  const logged = loggedLines();
  lines = logged.lines;
  refused = [];
  return new TransferService({
    broker: {
      async send(device, topic, payload) {
        const isChunk = !topic.endsWith('chunk/error');
        if (isChunk && stalled.has(device)) {
          await new Promise<void>((resolve) => stalled.get(device)!.push(resolve));
        }
        if (closed.includes(device)) return false;
        sent.push({ device, topic, payload });
        return true;
      },
      unreadMark: (device) => unread.get(device),
      disconnect(device) {
        closed.push(device);
        for (const release of stalled.get(device) ?? []) release();
      },
    },
    director: { offered: async (device) => (device === 'stranger' ? new Set() : offered) },
    versions: { hasChunk: async (_manifest, chunk) => chunk !== digest(99) },
    blobs: { get: async (name) => blobs.get(name) },
    clock,
    logger: logged.logger,
    refusals: { refused: (refusal) => refused.push(refusal) },
    fastBytesMax: bytesMax,
    slowBytesMax: bytesMax,
  });
}

const ask = (device: string, chunks: string[], request = 1, more: object = { queue: true }) =>
  service.receive(device, Buffer.from(JSON.stringify({ v: 1, request, manifest, chunks, ...more })));
const settle = async () => {
  for (let i = 0; i < 20; i += 1) await soon();
};
/** Lets so much time pass, in the steps in which the hub looks. */
const pass = async (ms: number) => {
  for (let left = ms; left > 0; left -= 250) {
    clock.advance(Math.min(250, left));
    await settle();
  }
};
const topicsSent = (device?: string) =>
  sent.filter((one) => device === undefined || one.device === device).map(({ topic }) => topic);
const errors = () =>
  sent
    .filter(({ topic }) => topic.endsWith('chunk/error'))
    .map(({ device, payload }) => ({ device, ...JSON.parse(Buffer.from(payload).toString()) }));
const stall = (...devices: string[]) => {
  for (const device of devices) stalled.set(device, []);
};
const release = (device: string) => {
  const waiting = stalled.get(device)!;
  stalled.delete(device);
  for (const go of waiting) go();
};

/** Takes every place there is, for long. */
const fill = async () => {
  service = makeService(1);
  stall('x', 'y');
  await ask('x', [digest(1)]);
  await ask('y', [digest(1)]);
  await settle();
  // The first one is found to be slow meanwhile, and leaves its place among the fast to the second.
  await pass(750);
};

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  stalled = new Map();
  closed = [];
  unread = new Map();
  offered = new Set([manifest]);
  blobs = new Map([0, 1, 2, 3, 4, 5, 6, 99].map((n) => [digest(n), Buffer.from(String(n))]));
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
    expect(errors()).toEqual([{ device: 'stranger', v: 1, request: 1, code: 'not_offered' }]);
  });

  it('logs a line for a device that is refused two hundred times, and one for its neighbour', async () => {
    for (let n = 1; n <= 200; n += 1) {
      await ask('stranger', [digest(1)], n);
      await settle();
    }
    await ask('a', [digest(99)], 201);
    await settle();
    expect(errors()).toHaveLength(201);
    expect(lines.map(({ deviceId, msg }) => `${deviceId} ${msg}`)).toEqual([
      'stranger chunk request refused',
      'a chunk request refused',
    ]);
  });

  it('tells of each request that it cannot understand', async () => {
    for (let n = 0; n < 100; n += 1) await service.receive('garbler', Buffer.from('{'));
    expect(refused).toHaveLength(100);
    expect(refused[0]).toMatchObject({ kind: 'payload', actor: 'device:garbler' });
    expect(lines).toHaveLength(0);
  });

  it('refuses a chunk of another version, though the hub has it', async () => {
    await ask('a', [digest(99)]);
    await settle();
    expect(errors()).toEqual([{ device: 'a', v: 1, request: 1, code: 'missing' }]);
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

  it('refuses nobody: two hundred devices that ask at once are all served', async () => {
    const devices = Array.from({ length: 200 }, (_, n) => `d${n}`);
    for (const device of devices) await ask(device, [1, 2, 3, 4].map(digest));
    await settle();
    await settle();
    expect(errors()).toEqual([]);
    expect(devices.every((device) => topicsSent(device).length === 4)).toBe(true);
  });

  it('calls who waits as soon as another one is done', async () => {
    service = makeService(2);
    stall('a', 'b');
    await ask('a', [digest(1)]);
    await ask('b', [digest(1)]);
    await ask('c', [digest(1)]);
    await settle();
    expect(topicsSent('c')).toEqual([]);
    release('a');
    await settle();
    expect(topicsSent('c')).toEqual([`mf/1/d/c/chunk/${digest(1)}`]);
  });

  it('gives a place back when the connection it was for is gone', async () => {
    service = makeService(1);
    stall('a');
    await ask('a', [1, 2].map(digest));
    await ask('b', [digest(1)]);
    await settle();
    closed.push('a');
    release('a');
    await settle();
    expect(topicsSent('a')).toEqual([]);
    expect(topicsSent('b')).toHaveLength(1);
  });

  it('tells a device that waits that it stands in line, once for each request, and one that does not know the word nothing', async () => {
    await fill();
    await ask('b', [1, 2].map(digest), 7);
    await ask('old', [digest(1)], 8, {});
    await settle();
    expect(errors()).toEqual([]);
    await pass(3_000);
    const retryAfterMs = limits.chunkQueuedMs;
    expect(errors()).toEqual([{ device: 'b', v: 1, request: 7, code: 'queued', retryAfterMs }]);
    release('x');
    release('y');
    await settle();
    expect(topicsSent('b')).toHaveLength(3);
    expect(topicsSent('old')).toHaveLength(1);
  });

  it('tells a device that waits of what it asks for later as well, and again when it asks again', async () => {
    await fill();
    await ask('b', [digest(1)], 7);
    await pass(1_500);
    await ask('b', [digest(2)], 8);
    await pass(500);
    await ask('b', [1, 2].map(digest), 9);
    await pass(500);
    expect(errors().map(({ request, code }) => [request, code])).toEqual([
      [7, 'queued'],
      [8, 'queued'],
      [9, 'queued'],
    ]);
  });

  it('keeps the place of a device that asks again while it waits, and sends it nothing twice', async () => {
    service = makeService(1);
    stall('a');
    await ask('a', [digest(1)]);
    await ask('old', [1, 2].map(digest), 1, {});
    await ask('b', [digest(1)]);
    await settle();
    await ask('old', [1, 2].map(digest), 2, {});
    release('a');
    await settle();
    expect(topicsSent().slice(1, 3)).toEqual([
      `mf/1/d/old/chunk/${digest(1)}`,
      `mf/1/d/b/chunk/${digest(1)}`,
    ]);
    expect(topicsSent('old')).toHaveLength(2);
  });

  it('says what it lacks of a request, some of which was under way already', async () => {
    stall('a');
    blobs.delete(digest(2));
    await ask('a', [digest(1)], 1);
    await settle();
    await ask('a', [1, 2].map(digest), 2);
    release('a');
    await settle();
    expect(errors()).toEqual([{ device: 'a', v: 1, request: 2, code: 'missing' }]);
  });

  it('counts what is held and who waits', async () => {
    await fill();
    await ask('b', [1, 2].map(digest));
    await settle();
    expect([service.bytesHeld, service.devicesWaiting]).toEqual([2 * limits.chunkBytes, 1]);
    release('x');
    release('y');
    await settle();
    expect([service.bytesHeld, service.devicesWaiting]).toEqual([0, 0]);
  });

  it('sends nothing that was withdrawn while the device waited', async () => {
    service = makeService(1);
    stall('a');
    await ask('a', [digest(1)]);
    await ask('b', [1, 2].map(digest), 3);
    await settle();
    offered = new Set();
    release('a');
    await settle();
    expect(topicsSent('b')).toEqual(['mf/1/d/b/chunk/error']);
    expect(errors()).toEqual([{ device: 'b', v: 1, request: 3, code: 'not_offered' }]);
  });

  it('holds the newest chunks a device asked for, as many as its credit, however often it asks', async () => {
    stall('a');
    for (let n = 1; n < 7; n += 1) await ask('a', [digest(n)], n);
    await settle();
    release('a');
    await settle();
    expect(topicsSent('a')).toEqual([1, 3, 4, 5, 6].map((n) => `mf/1/d/a/chunk/${digest(n)}`));
  });

  it('acknowledges and serves others while a device does not read', async () => {
    stall('a');
    await ask('a', [1, 2, 3, 4].map(digest));
    await ask('b', [digest(1)]);
    await settle();
    expect(topicsSent()).toEqual([`mf/1/d/b/chunk/${digest(1)}`]);
  });

  it('closes a device that takes nothing for long, once others wait for its place', async () => {
    service = makeService(1);
    stall('a');
    await ask('a', [digest(1)]);
    await pass(2 * limits.mqttDrainMs);
    expect(closed).toEqual([]);
    stall('b');
    unread.set('b', 100);
    await ask('b', [digest(1)]);
    await ask('c', [digest(1)]);
    await pass(limits.sendingStallMs / 2);
    expect(closed).toEqual([]);
    // One byte now and then is a line that is only slow.
    unread.set('b', 99);
    await pass(limits.sendingStallMs);
    expect(closed).toEqual(['a']);
  });

  it('ends at once when the hub stops while devices wait', async () => {
    await fill();
    await ask('b', [digest(1)]);
    await settle();
    expect(clock.sleepers).toBe(1);
    service.close();
    await settle();
    expect(clock.sleepers).toBe(0);
  });

  it('counts a download as moving while its socket takes some of a chunk, however little', async () => {
    stall('a');
    unread.set('a', 100_000);
    await ask('a', [digest(1)]);
    await settle();
    for (const left of [90_000, 80_000, 70_000]) {
      expect(service.download('a')?.isMoving).toBe(true);
      await pass(limits.chunkSilenceMsMax);
      unread.set('a', left);
    }
    expect(service.download('a')?.isMoving).toBe(true);
    await pass(limits.chunkSilenceMsMax);
    expect(service.download('a')?.isMoving).toBe(false);
  });

  it('knows until when a device waited for its turn, and whether its download moves', async () => {
    await fill();
    await ask('b', [digest(1)]);
    await settle();
    expect(service.download('b')?.waitedUntil).toBeUndefined();
    await pass(5_000);
    expect(service.download('x')?.waitedUntil).toBeUndefined();
    expect(service.download('b')?.waitedUntil).toBe(clock.now());
    expect([service.download('x')?.isMoving, service.download('b')?.isMoving]).toEqual([true, false]);
    release('x');
    release('y');
    await settle();
    const servedAt = clock.now();
    await pass(3_000);
    expect(service.download('b')?.waitedUntil).toBe(servedAt);
    expect(service.download('b')?.isMoving).toBe(true);
    await pass(limits.chunkSilenceMsMax);
    expect(service.download('b')?.isMoving).toBe(false);
    expect(service.download('nobody')?.waitedUntil).toBeUndefined();
  });
});
