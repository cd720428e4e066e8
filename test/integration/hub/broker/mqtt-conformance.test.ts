/** Packets that MQTT 3.1.1 tells a server to refuse, as bytes over mutual TLS: no client library would send them. */
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import {
  type ConnectFields,
  connectPacket,
  field,
  id,
  packet,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from '../../../support/mqtt-bytes.ts';

const DEVICE = Buffer.from('dev');
const own = topics.device('dev', 'events');
const presence = Buffer.from(topics.device('dev', 'presence'));
const desired = topics.device('dev', 'desired');
const SURROGATE = Buffer.from([0xed, 0xa0, 0x80]);
const PINGREQ = packet(0xc0, Buffer.alloc(0));

describe('the embedded broker, of packets as bytes,', () => {
  let world: BrokerWorld;
  let broker: AedesBroker;
  let received: string[];
  beforeAll(async () => {
    world = await BrokerWorld.make();
  });
  afterAll(() => world.remove());
  beforeEach(async () => {
    received = [];
    broker = await world.startBroker({}, async ({ leaf, payload }) => {
      received.push(`${leaf} ${Buffer.from(payload).toString()}`);
    });
  });
  afterEach(async () => {
    world.endClients();
    await broker.close();
  });

  /** Everything the broker answers on the connection from now on, until it closes it. */
  const answerTo = async (socket: TLSSocket, bytes: Buffer): Promise<string> => {
    const answer: Buffer[] = [];
    socket.on('data', (data) => answer.push(data));
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
    return Buffer.concat(answer).toString('hex');
  };
  const connected = async (): Promise<TLSSocket> => {
    const socket = await world.socket(broker, 'dev');
    socket.write(connectPacket(DEVICE));
    await new Promise((resolve) => socket.once('data', resolve));
    return socket;
  };
  const connack = (code: number) => `2002000${code}`;

  it.each<[string, number | undefined, ConnectFields & { readonly clientId?: Uint8Array }]>([
    ['protocol level 2 [MQTT-3.1.2-2]', 1, { level: 2 }],
    ['protocol level 3 under its own name', 1, { level: 3, name: 'MQIsdp' }],
    ['protocol level 5', 1, { level: 5 }],
    ['protocol level 6', 1, { level: 6 }],
    ['protocol level 4 with the bit of a bridge', 1, { level: 0x84 }],
    ['a keepalive of 0, which no limit of this hub allows', 5, { keepalive: 0 }],
    ['a keepalive over the limit', 5, { keepalive: limits.mqttKeepaliveSecondsMax + 1 }],
    ['no client id, where the certificate has one', 2, { clientId: Buffer.alloc(0) }],
    ['no client id for a session to be kept [MQTT-3.1.3-8]', 2, { clientId: Buffer.alloc(0), clean: false }],
    [
      'a last will on the topic of another device',
      5,
      { will: { topic: Buffer.from(topics.device('other', 'presence')), message: Buffer.from('{}') } },
    ],
    [
      'a last will on a topic that is not presence',
      5,
      { will: { topic: Buffer.from(own), message: Buffer.from('{}') } },
    ],
    ['another protocol', undefined, { name: 'HTTP' }],
    ['the name of level 3 at level 4', undefined, { name: 'MQIsdp' }],
    ['the reserved connect flag [MQTT-3.1.2-3]', undefined, { flags: 1 }],
    ['a flag of a last will that is not there', undefined, { flags: 4 }],
    [
      'a last will that no flag announces',
      undefined,
      { flags: 0, will: { topic: presence, message: DEVICE } },
    ],
    ['a QoS of no last will [MQTT-3.1.2-13]', undefined, { flags: 0x08 }],
    ['retain of no last will [MQTT-3.1.2-15]', undefined, { flags: 0x20 }],
    [
      'a last will with QoS 3 [MQTT-3.1.2-14]',
      undefined,
      { flags: 0x1c, will: { topic: presence, message: DEVICE } },
    ],
    [
      'a last will on a wildcard',
      undefined,
      { will: { topic: Buffer.from('mf/1/d/dev/+'), message: DEVICE } },
    ],
    ['a password without a user name [MQTT-3.1.2-22]', undefined, { password: DEVICE }],
    ['a flag of a user name that is not there', undefined, { flags: 0x80 }],
    ['a user name that no flag announces', undefined, { flags: 0, user: DEVICE }],
    ['a flag of a password that is not there', undefined, { flags: 0xc0, user: DEVICE }],
    ['bytes after the last field', undefined, { rest: Buffer.from([0]) }],
    ['a user name with NUL [MQTT-1.5.3-2]', undefined, { user: Buffer.from('a\0b') }],
    ['a user name with a surrogate [MQTT-1.5.3-1]', undefined, { user: SURROGATE }],
    ['a user name that is no UTF-8', undefined, { user: Buffer.from([0xc3]) }],
    ['a client id with a surrogate', undefined, { clientId: SURROGATE }],
    ['a client id with NUL', undefined, { clientId: Buffer.from('de\0v') }],
  ])('refuses CONNECT with %s: code %s', async (_what, code, { clientId = DEVICE, ...fields }) => {
    const socket = await world.socket(broker, 'dev');
    const answer = await answerTo(socket, connectPacket(clientId, fields));
    expect(answer).toBe(code === undefined ? '' : connack(code));
    expect(broker.connectedCount()).toBe(0);
  });

  it.each<[string, Buffer]>([
    ['a packet before CONNECT [MQTT-3.1.0-1]', PINGREQ],
    ['CONNECT with flags in its header', packet(0x11, connectPacket(DEVICE).subarray(2))],
    ['CONNECT whose length takes five bytes [MQTT-2.2.3]', Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x01])],
    ['CONNECT that ends within a field', packet(0x10, connectPacket(DEVICE).subarray(2, -1))],
    [
      'CONNECT longer than any that is meant',
      connectPacket(DEVICE, { user: DEVICE, password: Buffer.alloc(20_000) }),
    ],
  ])('closes a connection that begins with %s', async (_what, bytes) => {
    const socket = await world.socket(broker, 'dev');
    expect(await answerTo(socket, bytes)).toBe('');
    expect(broker.connectedCount()).toBe(0);
  });

  const filters = (count: number) => Array.from({ length: count }, (_, n) => `x/${n}`);
  it.each<[string, Buffer]>([
    ['a second CONNECT [MQTT-3.1.0-2]', connectPacket(DEVICE)],
    [
      'PUBLISH with QoS 1 and packet id 0 [MQTT-2.3.1-1]',
      publishPacket(own, DEVICE, { firstByte: 0x32, messageId: 0 }),
    ],
    ['PUBLISH with QoS 0 and DUP [MQTT-3.3.1-2]', publishPacket(own, DEVICE, { firstByte: 0x38 })],
    ['PUBLISH with QoS 3 [MQTT-3.3.1-4]', publishPacket(own, DEVICE, { firstByte: 0x36, messageId: 1 })],
    ['PUBLISH on a wildcard [MQTT-3.3.2-2]', publishPacket('mf/1/d/dev/+', DEVICE)],
    ['PUBLISH without a topic [MQTT-4.7.3-1]', publishPacket('', DEVICE)],
    ['PUBLISH on a topic with NUL', publishPacket('mf/1/d/dev/\0', DEVICE)],
    ['PUBLISH that ends within its topic', packet(0x30, id(40))],
    ['PUBLISH with QoS 1 that ends before its packet id', packet(0x32, field(Buffer.from(own)))],
    ['SUBSCRIBE with packet id 0', subscribePacket(0, [desired])],
    ['SUBSCRIBE without a topic filter [MQTT-3.8.3-3]', subscribePacket(1, [])],
    ['SUBSCRIBE to an empty filter [MQTT-4.7.3-1]', subscribePacket(1, [''])],
    ['SUBSCRIBE to a wildcard within a level [MQTT-4.7.1-3]', subscribePacket(1, ['mf/1/trust+'])],
    ['SUBSCRIBE to a # that is not last [MQTT-4.7.1-2]', subscribePacket(1, ['mf/#/trust'])],
    [
      'SUBSCRIBE with reserved bits in a QoS [MQTT-3-8.3-4]',
      packet(0x82, Buffer.concat([id(1), field(Buffer.from(desired)), Buffer.from([4])])),
    ],
    [
      'SUBSCRIBE with QoS 3',
      packet(0x82, Buffer.concat([id(1), field(Buffer.from(desired)), Buffer.from([3])])),
    ],
    ['SUBSCRIBE without its QoS', packet(0x82, Buffer.concat([id(1), field(Buffer.from(desired))]))],
    ['SUBSCRIBE with other flags [MQTT-3.8.1-1]', packet(0x80, subscribePacket(1, [desired]).subarray(2))],
    ['SUBSCRIBE to more filters than a device has', subscribePacket(1, filters(65))],
    ['UNSUBSCRIBE with packet id 0', unsubscribePacket(0, [desired])],
    ['UNSUBSCRIBE without a topic [MQTT-3.10.3-2]', unsubscribePacket(1, [])],
    ['UNSUBSCRIBE from more filters than a device has', unsubscribePacket(1, filters(65))],
    ['PUBACK with packet id 0', packet(0x40, id(0))],
    ['PUBACK without a packet id', packet(0x40, Buffer.alloc(0))],
    ['PUBACK with more than a packet id', packet(0x40, Buffer.alloc(3, 1))],
    ['PUBREL with other flags [MQTT-3.6.1-1]', packet(0x60, id(1))],
    ['PUBREL with packet id 0', packet(0x62, id(0))],
    ['PINGREQ with a body', packet(0xc0, Buffer.from([0]))],
    ['DISCONNECT with a body', packet(0xe0, Buffer.from([0]))],
    ['DISCONNECT with flags [MQTT-3.14.1-1]', packet(0xe1, Buffer.alloc(0))],
    ['CONNACK, which only a server sends', packet(0x20, Buffer.alloc(2))],
    ['SUBACK, which only a server sends', packet(0x90, Buffer.from([0, 1, 0]))],
    ['a length of five bytes [MQTT-2.2.3]', Buffer.from([0xc0, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['a packet after DISCONNECT [MQTT-3.14.4-2]', packet(0xe0, Buffer.alloc(0))],
    [
      'PUBLISH after DISCONNECT, of which nothing is taken',
      Buffer.concat([packet(0xe0, Buffer.alloc(0)), publishPacket(own, DEVICE)]),
    ],
    [
      'PUBLISH on a topic with a surrogate [MQTT-1.5.3-1]',
      packet(0x30, Buffer.concat([field(SURROGATE), DEVICE])),
    ],
    ['PUBLISH on # [MQTT-3.3.2-2]', publishPacket('mf/1/d/dev/#', DEVICE)],
    [
      'UNSUBSCRIBE with other flags [MQTT-3.10.1-1]',
      packet(0xa0, unsubscribePacket(1, [desired]).subarray(2)),
    ],
    ['PINGREQ with flags', packet(0xc1, Buffer.alloc(0))],
    ['PUBACK with flags', packet(0x41, id(1))],
    ['PINGRESP, which only a server sends', packet(0xd0, Buffer.alloc(0))],
    ['UNSUBACK, which only a server sends', packet(0xb0, id(1))],
    ['packet type 0', packet(0x00, Buffer.alloc(0))],
    ['packet type 15', packet(0xf0, Buffer.alloc(0))],
  ])('closes the connection at %s', async (_what, bytes) => {
    const socket = await connected();
    // A good packet behind it keeps the connection, where the bad one did not end it, and gives short ones bytes to read.
    expect(await answerTo(socket, Buffer.concat([bytes, PINGREQ]))).toBe('');
    expect(received).toEqual([]);
    await expect.poll(() => broker.connectedCount()).toBe(0);
  });

  it('closes a connection that asks for too many filters one by one, and takes as many on the next', async () => {
    const wanted = filters(limits.mqttFiltersPerConnectionMax);
    for (let connection = 0; connection < 2; connection += 1) {
      const socket = await connected();
      const answered = new Promise((resolve) => {
        let bytes = 0;
        socket.on('data', (data: Buffer) => {
          bytes += data.length;
          if (bytes === 5 * wanted.length) resolve(bytes);
        });
      });
      for (const [n, filter] of wanted.entries()) {
        socket.write(subscribePacket(n + 1, [filter]));
        if (n % 16 === 15) await new Promise((resolve) => socket.once('data', resolve));
      }
      await answered;
      socket.write(subscribePacket(1_000, ['one/more']));
      await new Promise((resolve) => socket.once('close', resolve));
    }
  });

  it('counts packets that are no message as well: whoever sends many is read later, and loses none', async () => {
    const socket = await connected();
    let bytes = 0;
    socket.on('data', (data: Buffer) => (bytes += data.length));
    const many = limits.deviceMessagesAtOnceMax + 5 * limits.deviceMessagesPerSecondMax;
    socket.write(Buffer.concat(Array<Buffer>(many).fill(PINGREQ)));
    await expect.poll(() => bytes, { timeout: 30_000 }).toBe(many * 2);
    socket.write(PINGREQ);
    await expect.poll(() => broker.heldBackCount, { timeout: 10_000 }).toBe(1);
    await expect.poll(() => bytes, { timeout: 30_000 }).toBe(many * 2 + 2);
  }, 90_000);

  it('takes what is right without a wait for CONNACK, wherever the network cuts it', async () => {
    const socket = await world.socket(broker, 'dev');
    const answer: Buffer[] = [];
    socket.on('data', (data) => answer.push(data));
    const will = { topic: presence, message: Buffer.from('{}') };
    const bytes = Buffer.concat([
      connectPacket(DEVICE, { will, user: Buffer.from('é😀'), password: Buffer.from([0, 0xff]) }),
      subscribePacket(1, [desired, 'mf/1/trust/+']),
      publishPacket(own, Buffer.from('zero')),
      publishPacket(own, Buffer.from('one'), { firstByte: 0x3a, messageId: 7 }),
      unsubscribePacket(2, [desired]),
      packet(0x40, id(9)),
      PINGREQ,
    ]);
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [connackFirst, ...others] = ['20020000', '900400010000', '40020007', 'b0020002', 'd000'];
    const answered = () => Buffer.concat(answer).toString('hex');
    await expect.poll(() => answered().length, { timeout: 10_000 }).toBe(8 + others.join('').length);
    expect(answered().startsWith(connackFirst!)).toBe(true);
    for (const one of others) expect(answered().slice(8)).toContain(one);
    expect(received).toEqual(['events zero', 'events one']);
    socket.end(packet(0xe0, Buffer.alloc(0)));
    await expect.poll(() => broker.connectedCount()).toBe(0);
  });
});
