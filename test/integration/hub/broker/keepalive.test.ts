/** When a connection counts as dead, and what a device is told whose messages the hub cannot store just now. */

import { setTimeout as pause } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { connectPacket, packet, publishPacket, subscribePacket } from '../../../support/mqtt-bytes.ts';

const DEVICE = Buffer.from('dev');
const own = topics.device('dev', 'events');
const PINGREQ = packet(0xc0, Buffer.alloc(0));
const KEEPALIVE_MS = 1_000;

describe('a connection with a keepalive of a second', () => {
  let world: BrokerWorld;
  let broker: AedesBroker;
  let socket: TLSSocket;
  let received: Buffer;
  let store: () => Promise<void>;
  let connectedAt: number;
  beforeAll(async () => {
    world = await BrokerWorld.make();
  });
  afterAll(() => world.remove());
  beforeEach(async () => {
    store = async () => undefined;
    received = Buffer.alloc(0);
    broker = await world.startBroker({ answerLateMs: 200 }, () => store());
    socket = await world.socket(broker, 'dev');
    socket.on('error', () => undefined).on('data', (data) => (received = Buffer.concat([received, data])));
    connectedAt = performance.now();
    socket.write(connectPacket(DEVICE, { keepalive: KEEPALIVE_MS / 1_000 }));
    await expect.poll(() => received.length).toBe(4);
  });
  afterEach(async () => {
    socket.destroy();
    await broker.close();
  });

  it('is closed when nothing comes for one and a half times that, and not before', async () => {
    await expect.poll(() => broker.isConnected('dev'), { timeout: 10_000, interval: 10 }).toBe(false);
    expect(performance.now() - connectedAt).toBeGreaterThan(1.4 * KEEPALIVE_MS);
  });

  it('stays open while pings come, and while one message takes longer than that, byte by byte', async () => {
    for (let n = 0; n < 5; n += 1) {
      socket.write(PINGREQ);
      await pause(KEEPALIVE_MS / 2);
    }
    for (const byte of publishPacket(own, Buffer.from('slow'), { firstByte: 0x32, messageId: 7 })) {
      socket.write(Buffer.from([byte]));
      await pause(KEEPALIVE_MS / 10);
    }
    await expect.poll(() => received.subarray(-4).toString('hex')).toBe('40020007');
    expect(broker.isConnected('dev')).toBe(true);
  });

  it('stays open while the hub can store nothing and so reads no pings, is told that it is busy, and gets every answer then', async () => {
    let open: () => void = () => undefined;
    const disk = new Promise<void>((resolve) => (open = resolve));
    store = () => disk;
    socket.write(subscribePacket(1, [topics.device('dev', 'command')]));
    const sent = limits.unansweredMessagesPerDeviceMax + 10;
    for (let n = 1; n <= sent; n += 1) {
      socket.write(publishPacket(own, Buffer.from('x'), { firstByte: 0x32, messageId: n }));
    }
    for (let waited = 0; waited < 3 * KEEPALIVE_MS; waited += 500) {
      socket.write(PINGREQ);
      await pause(500);
    }
    expect(broker.isConnected('dev')).toBe(true);
    const busy = received.toString('latin1').split('"command":"busy"').length - 1;
    expect(busy).toBeGreaterThan(3);
    received = Buffer.alloc(0);
    open();
    const puback = (id: number) => Buffer.from([0x40, 2, id >> 8, id & 0xff]);
    const answers = () => [...Array(sent).keys()].filter((n) => received.includes(puback(n + 1)));
    await expect.poll(() => answers().length, { timeout: 10_000 }).toBe(sent);
    await expect.poll(() => received.includes(Buffer.from([0xd0, 0])), { timeout: 10_000 }).toBe(true);
  });
});
