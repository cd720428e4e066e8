import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { AedesBroker, AedesBrokerProps } from '../../../../hub/broker/aedes-broker.ts';
import type { DeviceMessage } from '../../../../hub/broker/broker.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { connectPacket, packet, publishPacket } from '../../../support/mqtt-bytes.ts';

const DEVICES = 40;
const EACH = 100;

describe('a burst of many devices', () => {
  let world: BrokerWorld;
  beforeAll(async () => {
    world = await BrokerWorld.make();
    return () => world.remove();
  });
  let onMessage: (message: DeviceMessage) => Promise<void>;
  beforeEach(() => {
    onMessage = async () => undefined;
  });
  afterEach(() => world.endClients());

  const start = async (props: Partial<AedesBrokerProps> = {}) => {
    const broker = await world.startBroker(props, (message) => onMessage(message));
    onTestFinished(() => broker.close());
    return broker;
  };

  /** A device that is admitted; counts the bytes of acknowledgements. */
  const admitted = async (broker: AedesBroker, deviceId: string, keepalive = 60) => {
    const socket = await world.socket(broker, deviceId);
    socket.write(connectPacket(Buffer.from(deviceId), { keepalive }));
    await new Promise((resolve) => socket.once('data', resolve));
    const device = { deviceId, socket, acknowledged: 0 };
    socket.on('data', (bytes: Buffer) => {
      device.acknowledged += bytes.length / 4;
    });
    return device;
  };

  const fleet = (broker: AedesBroker) =>
    Promise.all(Array.from({ length: DEVICES }, (_, n) => admitted(broker, `dev-${n}`)));

  const events = (deviceId: string, count: number) =>
    Buffer.concat(
      Array.from({ length: count }, (_, n) => {
        const topic = topics.device(deviceId, 'events');
        return publishPacket(topic, Buffer.from(String(n).padEnd(200)), {
          firstByte: 0x32,
          messageId: n + 1,
        });
      }),
    );

  it('is taken piece by piece, the messages of each in order, and each answered', async () => {
    const broker = await start();
    let turn = 0;
    let isOver = false;
    const count = () => {
      turn += 1;
      if (!isOver) setImmediate(count);
    };
    count();
    const perTurn = new Map<number, number>();
    const received = new Map<string, number[]>();
    onMessage = async ({ deviceId, payload }) => {
      perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
      received.set(deviceId, [...(received.get(deviceId) ?? []), Number(Buffer.from(payload).toString())]);
      // As long as the hub takes to read one.
      for (const until = performance.now() + 0.1; performance.now() < until; );
      await pause(1);
    };
    const devices = await fleet(broker);
    for (const { socket, deviceId } of devices) socket.write(events(deviceId, EACH));
    await expect
      .poll(() => devices.every(({ acknowledged }) => acknowledged === EACH), { timeout: 20_000 })
      .toBe(true);
    isOver = true;
    // Five milliseconds of reading, and what one device may bring at once.
    expect(Math.max(...perTurn.values())).toBeLessThan(50 + 80);
    for (const numbers of received.values())
      expect(numbers).toEqual(Array.from({ length: EACH }, (_, n) => n));
    expect(broker.unanswered).toMatchObject({ messages: 0, bytes: 0 });
  });

  it('lets a message through that is longer than what a device may bring at once', async () => {
    const broker = await start();
    const lengths: number[] = [];
    onMessage = async ({ deviceId, payload }) => {
      if (deviceId === 'long') lengths.push(payload.byteLength);
    };
    const [long, ...devices] = await Promise.all([admitted(broker, 'long'), fleet(broker)]).then((all) =>
      all.flat(),
    );
    for (const { socket, deviceId } of devices) socket.write(events(deviceId, EACH));
    const topic = topics.device('long', 'telemetry');
    for (const messageId of [1, 2])
      long!.socket.write(publishPacket(topic, Buffer.alloc(200_000), { firstByte: 0x32, messageId }));
    await expect.poll(() => lengths, { timeout: 20_000 }).toEqual([200_000, 200_000]);
    await expect.poll(() => long!.acknowledged).toBe(2);
  });

  it('that cannot be stored takes bounded memory in all, and no device its connection', async () => {
    const unansweredBytesMax = 256 * 1024;
    const broker = await start({ unansweredBytesMax, answerLateMs: 200 });
    const held: (() => void)[] = [];
    let isHeld = true;
    onMessage = () => (isHeld ? new Promise((resolve) => held.push(resolve)) : Promise.resolve());
    const devices = await fleet(broker);
    for (const { socket, deviceId } of devices) socket.write(events(deviceId, EACH));
    await expect.poll(() => broker.unanswered.bytes).toBeGreaterThanOrEqual(unansweredBytesMax);
    // It has sent nothing that could be held; its pings are not read.
    const quiet = await admitted(broker, 'quiet', 1);
    let told = 0;
    quiet.socket.on('data', (bytes: Buffer) => {
      if (bytes.includes('"busy"')) told += 1;
    });
    quiet.socket.write(packet(0xc0, new Uint8Array()));
    // For longer than a second and a half, in which it must be answered.
    await expect.poll(() => told, { timeout: 20_000 }).toBeGreaterThan(10);
    expect(broker.connectedCount()).toBe(DEVICES + 1);
    // Nothing more, beyond what one device may bring at once.
    expect(broker.unanswered.bytes).toBeLessThan(unansweredBytesMax + 200 * 1024);
    expect(held.length).toBeLessThan((DEVICES * EACH) / 4);
    isHeld = false;
    for (const release of held.splice(0)) release();
    await expect
      .poll(() => devices.every(({ acknowledged }) => acknowledged >= EACH), { timeout: 20_000 })
      .toBe(true);
    expect(broker.isConnected('quiet')).toBe(true);
    expect(broker.unanswered).toMatchObject({ messages: 0, bytes: 0 });
  });
});
