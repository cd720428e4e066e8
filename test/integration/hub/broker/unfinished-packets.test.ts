import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { AedesBroker, AedesBrokerProps } from '../../../../hub/broker/aedes-broker.ts';
import { PacketReader } from '../../../../hub/broker/packet-reader.ts';
import { UnfinishedPackets } from '../../../../hub/broker/unfinished-packets.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { connectPacket, packet, publishPacket } from '../../../support/mqtt-bytes.ts';

describe('packets whose end has not come', () => {
  let world: BrokerWorld;
  beforeAll(async () => {
    world = await BrokerWorld.make();
    return () => world.remove();
  });
  afterEach(() => world.endClients());

  const start = async (props: Partial<AedesBrokerProps> = {}) => {
    const payloads: Uint8Array[] = [];
    const broker = await world.startBroker(props, async ({ payload }) => void payloads.push(payload));
    onTestFinished(() => broker.close());
    return { broker, payloads };
  };
  const admitted = async (broker: AedesBroker, deviceId: string) => {
    const socket = await world.socket(broker, deviceId);
    socket.setNoDelay(true);
    socket.write(connectPacket(Buffer.from(deviceId)));
    await new Promise((resolve) => socket.once('data', resolve));
    return socket;
  };
  const report = (deviceId: string, bytes: number) =>
    publishPacket(topics.device(deviceId, 'telemetry'), Buffer.alloc(bytes, 7), {
      firstByte: 0x32,
      messageId: 1,
    });

  it('are held in one piece each, counted, and handed on whole when it comes', async () => {
    const { broker, payloads } = await start();
    const socket = await admitted(broker, 'crumbs');
    const bytes = report('crumbs', 3_000);
    for (const [at] of bytes.subarray(0, -1).entries()) {
      socket.write(bytes.subarray(at, at + 1));
      if (at % 4 === 0) await nextTurn();
    }
    await expect.poll(() => broker.unfinished.bytes).toBe(bytes.length - 1);
    expect(payloads).toEqual([]);
    socket.write(bytes.subarray(-1));
    await expect.poll(() => payloads).toEqual([Buffer.alloc(3_000, 7)]);
    expect(broker.unfinished.bytes).toBe(0);
  });

  it('are bounded for all connections: the one begun first is dropped, and others go on', async () => {
    const { broker, payloads } = await start({ unfinishedBytesMax: 100_000 });
    const ids = ['first', 'second', 'third'];
    const sockets = await Promise.all(ids.map((id) => admitted(broker, id)));
    for (const [n, socket] of sockets.entries()) {
      const before = broker.unfinished.bytes;
      socket.write(report(ids[n]!, 50_000).subarray(0, 40_000));
      if (n < 2) await expect.poll(() => broker.unfinished.bytes).toBe(before + 40_000);
    }
    await expect.poll(() => broker.isConnected('first')).toBe(false);
    await expect.poll(() => broker.unfinished.bytes).toBe(80_000);
    for (const n of [1, 2]) sockets[n]!.write(report(ids[n]!, 50_000).subarray(40_000));
    await expect.poll(() => payloads.length).toBe(2);
    expect(broker.unfinished.bytes).toBe(0);
  });

  it('are forgotten with their connection', async () => {
    const { broker } = await start();
    const socket = await admitted(broker, 'gone');
    socket.write(report('gone', 3_000).subarray(0, 2_000));
    await expect.poll(() => broker.unfinished.bytes).toBe(2_000);
    socket.destroy();
    await expect.poll(() => broker.unfinished.bytes).toBe(0);
  });

  it('and bytes that nobody reads yet lie in few pieces, however small they came', async () => {
    const line = new PassThrough({ highWaterMark: 64 * 1024 });
    let mayRead = false;
    new PacketReader({
      socket: line as unknown as TLSSocket,
      bytesMax: 10_000,
      unfinished: new UnfinishedPackets(10_000, () => undefined),
      mayRead: () => mayRead,
      onFault: ({ reason }) => expect.unreachable(reason),
      onConnect: () => undefined,
      onRead: () => undefined,
    });
    const sent = Buffer.concat([
      connectPacket(Buffer.from('crumbs')),
      ...Array<Buffer>(1_000).fill(packet(0xc0, new Uint8Array())),
    ]);
    for (const byte of sent) {
      line.push(Buffer.from([byte]));
      await nextTurn();
    }
    const { buffer } = (line as unknown as { _readableState: { buffer: Buffer[] } })._readableState;
    expect(buffer.filter(Boolean).length).toBeLessThan(100);
    expect(line.readableLength).toBe(sent.length);
    mayRead = true;
    expect(line.read()).toEqual(sent);
  });
});
