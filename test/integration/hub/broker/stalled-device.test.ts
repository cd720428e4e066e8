import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { connectPacket, publishPacket, subscribePacket } from '../../../support/mqtt-bytes.ts';

const MIB = 1024 * 1024;

/** What lies in buffers of this process, after the garbage is gone. */
function bufferBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().arrayBuffers;
}

describe('a device that stopped reading', () => {
  let world: BrokerWorld;
  let broker: AedesBroker;
  let asked: string[];
  beforeAll(async () => {
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    globalThis.gc ??= runInNewContext('gc') as typeof globalThis.gc;
    world = await BrokerWorld.make();
    asked = [];
    // As the transfer service does: four chunks for each request, each a buffer of its own, none waited for.
    broker = await world.startBroker({}, async ({ deviceId, leaf }) => {
      if (leaf !== 'chunk/get') return;
      asked.push(deviceId);
      for (let n = 0; n < limits.chunksInFlightPerDevice; n += 1) {
        const chunk = Buffer.alloc(limits.chunkBytes, n);
        void broker.send(deviceId, topics.chunk(deviceId, 'a'.repeat(64)), chunk, 0);
      }
    });
  });
  afterAll(async () => {
    await broker.close();
    await world.remove();
  });

  const stall = async (deviceId: string, at = broker) => {
    const socket = await world.socket(at, deviceId);
    socket.write(connectPacket(Buffer.from(deviceId), { clean: true }));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(subscribePacket(1, topics.deviceFilters(deviceId)));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.removeAllListeners('data');
    socket.pause();
    return socket;
  };

  const healthy = async (deviceId: string) => {
    const client = await world.connect(broker, deviceId);
    let chunks = 0;
    client.on('message', () => (chunks += 1));
    await client.subscribeAsync([...topics.deviceFilters(deviceId)], { qos: 1 });
    return {
      /** Resolves when the four chunks of one request are there. */
      async fetch(): Promise<void> {
        const before = chunks;
        await client.publishAsync(topics.device(deviceId, 'chunk/get'), 'x', { qos: 1 });
        await expect.poll(() => chunks - before, { interval: 2, timeout: 20_000 }).toBe(4);
      },
    };
  };

  it('costs bounded memory and nobody any time, however many chunks it asks for', async () => {
    const socket = await stall('stalled');
    const other = await healthy('healthy');
    const request = publishPacket(topics.device('stalled', 'chunk/get'), Buffer.from('x'));
    const ask = async (times: number) => {
      const wanted = asked.filter((id) => id === 'stalled').length + times;
      for (let n = 0; n < times; n += 1) socket.write(request);
      await expect
        .poll(() => asked.filter((id) => id === 'stalled').length, { timeout: 10_000 })
        .toBe(wanted);
    };
    // The kernel takes some MiB before anything is left to us.
    const isFull = async () => {
      await ask(2);
      return !(await broker.send('stalled', topics.device('stalled', 'command'), new Uint8Array(1), 0));
    };
    await expect.poll(() => Promise.race([isFull(), pause(100)]), { timeout: 10_000 }).toBe(true);
    const before = bufferBytes();
    await ask(300);
    // 300 MiB were asked for: of ours there is what one connection may have unread.
    const bound = limits.chunkBytesQueuedPerDeviceMax + 8 * MIB;
    await expect.poll(() => bufferBytes() - before, { timeout: 10_000 }).toBeLessThan(bound);
    expect(broker.isConnected('stalled')).toBe(true);
    // Whoever waited for the stalled one would do so until it is closed, minutes later.
    for (let n = 0; n < 10; n += 1) await other.fetch();
    expect(broker.isConnected('stalled')).toBe(true);
    expect(await broker.send('stalled', topics.device('stalled', 'command'), Buffer.from('x'), 0)).toBe(
      false,
    );
    socket.destroy();
  });

  it('is closed once retained messages pile up for it, while others get theirs at once', async () => {
    const socket = await stall('deaf');
    const other = await world.connect(broker, 'hearing');
    let got = 0;
    other.on('message', () => (got += 1));
    await other.subscribeAsync([...topics.deviceFilters('hearing')], { qos: 1 });
    const before = bufferBytes();
    let sent = 0;
    for (let n = 1; n <= 200; n += 1) {
      await broker.retain(topics.device('deaf', 'desired'), Buffer.alloc(MIB / 2, n));
      if (n % 10 === 0) {
        await broker.retain(topics.device('hearing', 'desired'), Buffer.from(String(n)));
        await expect.poll(() => got, { interval: 2, timeout: 10_000 }).toBe(n / 10);
        sent += 10 * (MIB / 2);
        const bound = limits.mqttBytesQueuedPerDeviceMax + 16 * MIB;
        await expect.poll(() => bufferBytes() - before, { timeout: 10_000 }).toBeLessThan(bound);
      }
    }
    expect(sent).toBe(100 * MIB);
    await expect.poll(() => broker.isConnected('deaf')).toBe(false);
    socket.destroy();
  });

  it('is closed when what was written to it stays unread for the drain time, and not when it reads on before', async () => {
    const drainMs = 1_500;
    const hasty = await world.startBroker({ drainMs });
    onTestFinished(() => hasty.close());
    const [deaf, slow] = [await stall('deaf', hasty), await stall('slow', hasty)];
    // Chunks until no more are taken, and then a message that has to arrive.
    const fill = async (deviceId: string) => {
      const chunk = Buffer.alloc(limits.chunkBytes);
      const send = () => hasty.send(deviceId, topics.chunk(deviceId, 'a'.repeat(64)), chunk, 0);
      const isTaken = () => Promise.race([send(), pause(50, true)]);
      await expect.poll(isTaken, { interval: 1, timeout: 10_000 }).toBe(false);
      await hasty.retain(topics.device(deviceId, 'desired'), Buffer.from('x'));
    };
    await fill('slow');
    slow.on('data', () => undefined).resume();
    const began = performance.now();
    await fill('deaf');
    await expect.poll(() => hasty.isConnected('deaf'), { timeout: 20 * drainMs }).toBe(false);
    expect(performance.now() - began).toBeGreaterThan(drainMs);
    await pause(drainMs);
    expect(hasty.isConnected('slow')).toBe(true);
    for (const socket of [deaf, slow]) socket.destroy();
  });

  it('keeps its connection while it takes some, though a whole message takes much longer than the drain time', async () => {
    const drainMs = 2_000;
    const hasty = await world.startBroker({ drainMs });
    onTestFinished(() => hasty.close());
    const socket = await stall('drop-by-drop', hasty);
    onTestFinished(() => void socket.destroy());
    // More than the kernel takes ahead, in one write, and a message behind it that waits for all of it.
    const topic = topics.device('drop-by-drop', 'command');
    let isTaken: boolean | undefined;
    void hasty.send('drop-by-drop', topic, Buffer.alloc(7.5 * MIB), 0).then((taken) => (isTaken = taken));
    await hasty.retain(topics.device('drop-by-drop', 'desired'), Buffer.from('x'));
    const marks = new Set<number | undefined>();
    for (const began = performance.now(); performance.now() - began < 1.2 * drainMs; ) {
      // Some 64 KiB: what TLS has decrypted.
      socket.read();
      await pause(drainMs / 32);
      if (isTaken === undefined) marks.add(hasty.unreadMark('drop-by-drop'));
    }
    expect(hasty.isConnected('drop-by-drop')).toBe(true);
    // Seen in the middle of one write: see unreadMark in hub/broker/unread-watch.ts.
    expect(marks.size).toBeGreaterThanOrEqual(3);
  });
});
