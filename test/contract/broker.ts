/** What every implementation of Broker must do. */

import type { MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Broker, BrokerHandlers, DeviceMessage } from '../../hub/broker/broker.ts';
import { limits } from '../../shared/base/limits.ts';
import { topics } from '../../shared/protocol/topics.ts';
import { BrokerWorld, closeOf } from '../support/broker-world.ts';

export interface BrokerUnderTest {
  readonly name: string;
  make(world: BrokerWorld): Broker;
}

export function brokerContract({ name, make }: BrokerUnderTest): void {
  describe(`${name} as a broker`, () => {
    let world: BrokerWorld;
    let broker: Broker;
    let received: DeviceMessage[];
    let presence: string[];
    let onMessage: BrokerHandlers['message'];
    beforeAll(async () => {
      world = await BrokerWorld.make();
    });
    afterAll(() => world.remove());
    beforeEach(async () => {
      received = [];
      presence = [];
      onMessage = async () => undefined;
      broker = make(world);
      await broker.start({
        message: (message) => {
          received.push(message);
          return onMessage(message);
        },
        connected: (id) => presence.push(`+${id}`),
        disconnected: (id) => presence.push(`-${id}`),
      });
    });
    afterEach(async () => {
      world.endClients();
      await broker.close();
    });

    const own = topics.device('dev', 'events');
    const inbox = (client: MqttClient) => {
      const got: { topic: string; payload: string }[] = [];
      client.on('message', (topic, payload) => got.push({ topic, payload: payload.toString() }));
      return got;
    };

    it('acknowledges a message only after the handler has resolved', async () => {
      let finish: () => void = () => undefined;
      onMessage = () => new Promise((resolve) => (finish = resolve));
      const client = await world.connect(broker, 'dev');
      let isAcknowledged = false;
      const acknowledged = client.publishAsync(own, 'x', { qos: 1 }).then(() => {
        isAcknowledged = true;
      });
      await expect.poll(() => received.length).toBe(1);
      // What was asked later on the same connection is answered before it.
      await client.subscribeAsync(topics.device('dev', 'desired'), { qos: 1 });
      expect(isAcknowledged).toBe(false);
      finish();
      await acknowledged;
    });

    it('acknowledges neither what the handler could not store, nor anything after it', async () => {
      onMessage = ({ payload }) =>
        Buffer.from(payload).toString() === '1' ? Promise.reject(new Error('disk full')) : Promise.resolve();
      const client = await world.connect(broker, 'dev');
      const closed = closeOf(client);
      const sent = ['1', '2', '3'].map((text) => client.publishAsync(own, text, { qos: 1 }));
      const outcomes = Promise.allSettled(sent);
      await closed;
      client.end(true);
      expect((await outcomes).map((one) => one.status)).toEqual(['rejected', 'rejected', 'rejected']);
    });

    it('hands what a device asks for over one after another, in order', async () => {
      let running = 0;
      let most = 0;
      onMessage = async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running -= 1;
      };
      const client = await world.connect(broker, 'dev');
      const texts = Array.from({ length: 20 }, (_, n) => String(n));
      const asking = topics.device('dev', 'chunk/get');
      await Promise.all(texts.map((text) => client.publishAsync(asking, text, { qos: 1 })));
      expect(received.map((one) => Buffer.from(one.payload).toString())).toEqual(texts);
      expect(most).toBe(1);
    });

    it.each(['telemetry', 'events', 'reported'] as const)(
      'hands %s over side by side, in order, so that many messages can share one commit',
      async (leaf) => {
        const waiting: (() => void)[] = [];
        onMessage = () => new Promise((resolve) => waiting.push(resolve));
        const client = await world.connect(broker, 'dev');
        const topic = topics.device('dev', leaf);
        const sent = ['1', '2', '3'].map((text) => client.publishAsync(topic, text, { qos: 1 }));
        await expect.poll(() => waiting.length).toBe(3);
        expect(received.map((one) => Buffer.from(one.payload).toString())).toEqual(['1', '2', '3']);
        for (const finish of waiting) finish();
        await Promise.all(sent);
      },
    );

    it('reads no more of a device with much unanswered, and reads on when it is answered', async () => {
      const waiting: (() => void)[] = [];
      let isHolding = true;
      onMessage = () => (isHolding ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve());
      const client = await world.connect(broker, 'dev');
      const most = limits.unansweredMessagesPerDeviceMax;
      const sent: Promise<unknown>[] = [];
      // Each comes alone, as from a device that is in no hurry.
      for (let n = 0; n < most; n += 1) {
        sent.push(client.publishAsync(own, String(n), { qos: 1 }));
        await expect.poll(() => received.length, { interval: 1 }).toBe(n + 1);
      }
      const over = client.publishAsync(own, 'over', { qos: 1 });
      const quiet = await world.connect(broker, 'quiet');
      const other = quiet.publishAsync(topics.device('quiet', 'events'), 'x', { qos: 1 });
      // It was sent after the one that is over, on a connection that was not yet there.
      await expect.poll(() => received.at(-1)?.deviceId).toBe('quiet');
      expect(received).toHaveLength(most + 1);
      isHolding = false;
      for (const finish of waiting.splice(0)) finish();
      await Promise.all([...sent, over, other]);
      expect(received).toHaveLength(most + 2);
    });

    it('names the device and the leaf of a message', async () => {
      const client = await world.connect(broker, 'dev');
      await client.publishAsync(topics.device('dev', 'chunk/get'), 'bytes', { qos: 1 });
      expect(received).toEqual([{ deviceId: 'dev', leaf: 'chunk/get', payload: Buffer.from('bytes') }]);
    });

    it('gives retained messages to who subscribes later, the newest only, until they are removed', async () => {
      const topic = topics.device('dev', 'desired');
      await broker.retain(topic, Buffer.from('old'));
      await broker.retain(topic, Buffer.from('new'));
      const first = await world.connect(broker, 'dev');
      const got = inbox(first);
      await first.subscribeAsync(topic, { qos: 1 });
      await expect.poll(() => got).toEqual([{ topic, payload: 'new' }]);
      await broker.retain(topic, Buffer.from('newer'));
      await expect.poll(() => got.at(-1)?.payload).toBe('newer');
      await broker.retain(topic, new Uint8Array());
      await first.endAsync();
      const second = await world.connect(broker, 'dev');
      const later = inbox(second);
      await second.subscribeAsync([...topics.deviceFilters('dev')], { qos: 1 });
      await broker.send('dev', topics.device('dev', 'command'), Buffer.from('last'), 1);
      await expect.poll(() => later).toEqual([{ topic: topics.device('dev', 'command'), payload: 'last' }]);
    });

    it('sends to one connected device, whole and in order, with either QoS', async () => {
      const client = await world.connect(broker, 'dev');
      const got = inbox(client);
      await client.subscribeAsync([...topics.deviceFilters('dev')], { qos: 1 });
      const big = 'b'.repeat(256 * 1024);
      const topic = topics.chunk('dev', 'a'.repeat(64));
      expect(await broker.send('dev', topic, Buffer.from(big), 0)).toBe(true);
      expect(await broker.send('dev', topic, Buffer.from('small'), 1)).toBe(true);
      await expect.poll(() => got.length).toBe(2);
      expect(got).toEqual([
        { topic, payload: big },
        { topic, payload: 'small' },
      ]);
    });

    it('says that it cannot send to a device that is not there', async () => {
      expect(await broker.send('nobody', topics.device('nobody', 'command'), Buffer.from('x'), 0)).toBe(
        false,
      );
    });

    it('tells who comes and goes', async () => {
      const client = await world.connect(broker, 'dev');
      await expect.poll(() => presence).toEqual(['+dev']);
      expect(broker.isConnected('dev')).toBe(true);
      expect(broker.connectedCount()).toBe(1);
      client.end(true);
      await expect.poll(() => presence).toEqual(['+dev', '-dev']);
      expect(broker.isConnected('dev')).toBe(false);
      expect(broker.connectedCount()).toBe(0);
    });

    it('lets a new connection of a device take over from the old one', async () => {
      const old = await world.connect(broker, 'dev');
      const closed = closeOf(old);
      const fresh = await world.connect(broker, 'dev');
      await closed;
      expect(broker.connectedCount()).toBe(1);
      await fresh.publishAsync(own, 'alive', { qos: 1 });
      expect(broker.isConnected('dev')).toBe(true);
      expect(presence.at(-1)).toBe('+dev');
    });

    it('closes the connection of a device at once', async () => {
      const client = await world.connect(broker, 'dev');
      const closed = closeOf(client);
      broker.disconnect('dev');
      await closed;
      await expect.poll(() => broker.isConnected('dev')).toBe(false);
    });
  });
}
