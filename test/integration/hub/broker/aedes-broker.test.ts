import type { IClientOptions } from 'mqtt';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { Authority } from '../../../../hub/pki/authority.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld, closeOf } from '../../../support/broker-world.ts';
import { connectPacket, packet } from '../../../support/mqtt-bytes.ts';

describe('the embedded broker', () => {
  let world: BrokerWorld;
  let broker: AedesBroker;
  let received: string[];
  let refused: Set<string>;
  beforeAll(async () => {
    world = await BrokerWorld.make();
  });
  afterAll(() => world.remove());
  beforeEach(async () => {
    received = [];
    refused = new Set();
    const isAdmitted = async (id: string) => !refused.has(id);
    broker = await world.startBroker({ isAdmitted }, async ({ deviceId, leaf }) => {
      received.push(`${deviceId} ${leaf}`);
    });
  });
  afterEach(async () => {
    world.endClients();
    await broker.close();
  });

  describe('who connects', () => {
    it('refuses a client id that is not the name in the certificate', async () => {
      await expect(world.connect(broker, 'dev', { clientId: 'other' })).rejects.toMatchObject({ code: 2 });
    });

    it('refuses an empty client id', async () => {
      await expect(world.connect(broker, 'dev', { clientId: '', clean: true })).rejects.toMatchObject({
        code: 2,
      });
    });

    it.each([
      ['NUL', Buffer.from('de\0v')],
      ['invalid UTF-8', Buffer.from([0x64, 0xff, 0xfe])],
      ['nothing, with a kept session', Buffer.alloc(0)],
    ])('refuses a client id of %s', async (_what, id) => {
      const socket = await world.socket(broker, 'dev');
      const answer: Buffer[] = [];
      socket.on('data', (data) => answer.push(data));
      socket.write(connectPacket(id, { clean: false }));
      await new Promise((resolve) => socket.once('close', resolve));
      // Closed at once, or after a CONNACK that is not "accepted".
      expect(Buffer.concat(answer)[3]).not.toBe(0);
      expect(broker.connectedCount()).toBe(0);
    });

    it('refuses a device that is not admitted', async () => {
      refused.add('dev');
      await expect(world.connect(broker, 'dev')).rejects.toMatchObject({ code: 5 });
    });

    it('refuses a certificate of another CA, and none at all', async () => {
      const folder = `${world.folder}/other`;
      const other = await Authority.open(folder, { clock: systemClock, advertise: [] });
      const credentials = world.credentials('dev', other);
      for (const options of [
        { key: credentials.key, cert: credentials.cert },
        { key: undefined, cert: undefined },
      ]) {
        await expect(world.connect(broker, 'dev', options as Partial<IClientOptions>)).rejects.toBeInstanceOf(
          Error,
        );
      }
      expect(broker.connectedCount()).toBe(0);
    });

    it("refuses the hub's own server certificate as a client", async () => {
      const { authority } = world;
      await expect(
        world.connect(broker, 'dev', { key: authority.serverKeyPem, cert: authority.serverCertPem }),
      ).rejects.toBeInstanceOf(Error);
    });

    it('refuses a last will under another id', async () => {
      const will = {
        topic: topics.device('other', 'presence'),
        payload: Buffer.from('{}'),
        qos: 1 as const,
        retain: true,
      };
      await expect(world.connect(broker, 'dev', { will })).rejects.toBeInstanceOf(Error);
    });

    it('keeps no session beyond its connection', async () => {
      const first = await world.connect(broker, 'dev', { clean: false });
      await first.subscribeAsync(topics.device('dev', 'command'), { qos: 1 });
      await first.endAsync();
      await expect.poll(() => broker.isConnected('dev')).toBe(false);
      const second = await world.connect(broker, 'dev', { clean: false });
      const got: string[] = [];
      second.on('message', (topic) => got.push(topic));
      await broker.retain(topics.device('dev', 'command'), Buffer.from('x'));
      await second.publishAsync(topics.device('dev', 'reply'), 'sync', { qos: 1 });
      expect(got).toEqual([]);
    });
  });

  describe('what a device may do', () => {
    it.each([
      ['under another id', topics.device('other', 'events'), {}],
      ['on a topic it receives', topics.device('dev', 'desired'), {}],
      ['on trust', topics.trust('root'), {}],
      ['outside the protocol', 'mf/1/x', {}],
      ['on a deeper topic of its own', 'mf/1/d/dev/events/more', {}],
      ['on $SYS', '$SYS/x', {}],
      ['with QoS 2', topics.device('dev', 'events'), { qos: 2 as const }],
      ['retained', topics.device('dev', 'events'), { retain: true }],
    ])('closes a device that publishes %s', async (_what, topic, options) => {
      const client = await world.connect(broker, 'dev');
      const closed = closeOf(client);
      client.publish(topic, 'x', { qos: 1, ...options });
      await closed;
      expect(received).toEqual([]);
    });

    it('closes a device whose payload is over the limit of its topic', async () => {
      const client = await world.connect(broker, 'dev');
      const fits = Buffer.alloc(limits.controlMessageBytesMax);
      await client.publishAsync(topics.device('dev', 'events'), fits, { qos: 1 });
      const closed = closeOf(client);
      client.publish(topics.device('dev', 'events'), Buffer.alloc(fits.length + 1), { qos: 1 });
      await closed;
      expect(received).toEqual(['dev events']);
    });

    it('closes a device that announces a packet over the limit, before the packet has come', async () => {
      const socket = await world.socket(broker, 'dev');
      socket.write(connectPacket(Buffer.from('dev'), { clean: true }));
      await new Promise((resolve) => socket.once('data', resolve));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(packet(0x30, Buffer.alloc(0), 200 * 1024 * 1024));
      await closed;
    });

    it.each([
      ['under another id', topics.device('other', 'desired')],
      ['to everything', '#'],
      ['to everything of every device', 'mf/1/d/+/desired'],
      ['to what it sends', topics.device('dev', 'events')],
      ['to $SYS', '$SYS/#'],
      ['to a shared subscription', '$share/g/mf/1/trust/+'],
      ['to a topic with NUL', 'mf/1/d/dev/desired\0'],
    ])('denies a subscription %s', async (_what, filter) => {
      const client = await world.connect(broker, 'dev');
      const granted = await client.subscribeAsync(filter, { qos: 1 }).then(
        (grants) => grants[0]?.qos,
        () => 128,
      );
      expect(granted).toBe(128);
    });

    it('sends the retained messages of a filter once per connection', async () => {
      await broker.retain(topics.trust('root'), Buffer.from('root'));
      const client = await world.connect(broker, 'dev');
      const got: string[] = [];
      client.on('message', (topic) => got.push(topic));
      await client.subscribeAsync('mf/1/trust/+', { qos: 1 });
      await client.subscribeAsync('mf/1/trust/+', { qos: 1 }).catch(() => undefined);
      await client.publishAsync(topics.device('dev', 'reply'), 'sync', { qos: 1 });
      await expect.poll(() => got).toEqual([topics.trust('root')]);
    });

    it("does not give a device's own chunk request back to it", async () => {
      const client = await world.connect(broker, 'dev');
      const got: string[] = [];
      client.on('message', (topic) => got.push(topic));
      await client.subscribeAsync([...topics.deviceFilters('dev')], { qos: 1 });
      await client.publishAsync(topics.device('dev', 'chunk/get'), 'x', { qos: 1 });
      await broker.send('dev', topics.device('dev', 'command'), Buffer.from('sync'), 0);
      await expect.poll(() => got).toEqual([topics.device('dev', 'command')]);
    });
  });
});
