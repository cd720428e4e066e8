import { getEventListeners, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { HubLinkHandlers } from '../../../../agent/connection/hub-link.ts';
import type { DeviceIdentity } from '../../../../agent/connection/identity.ts';
import { LinkWatch } from '../../../../agent/connection/link-watch.ts';
import { MqttSession, type ReconnectWaits } from '../../../../agent/connection/mqtt-session.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import type { Clock } from '../../../../shared/base/clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { ConnectionHub, operator } from '../../../support/connection-hub.ts';
import { packet, publishPacket } from '../../../support/mqtt-bytes.ts';

const quick: ReconnectWaits = {
  lost: { firstMs: 20, maxMs: 50 },
  refused: { firstMs: 60_000, maxMs: 60_000 },
  stableMs: 10,
};

describe('the MQTT session', () => {
  let hub: ConnectionHub;
  let sessions: MqttSession[];
  let events: string[];
  beforeAll(async () => {
    hub = await ConnectionHub.start();
  });
  afterAll(() => hub.stop());
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
    for (const leaf of Object.keys(hub.handlers)) delete hub.handlers[leaf as keyof typeof hub.handlers];
  });
  sessions = [];

  const handlers: HubLinkHandlers = {
    connected: () => events.push('connected'),
    disconnected: () => events.push('disconnected'),
    desired: (payload) => events.push(`desired ${text(payload)}`),
    command: (payload) => events.push(`command ${text(payload)}`),
    trust: (role, payload) => events.push(`trust ${role} ${text(payload)}`) > 0,
    chunk: (digest, payload) => events.push(`chunk ${digest.slice(0, 4)} ${text(payload)}`),
    chunkError: (payload) => events.push(`chunkError ${text(payload)}`),
  };

  const begin = (
    identity: DeviceIdentity,
    clock: Clock = systemClock,
    waits = quick,
    floor: Pick<Clock, 'now'> = clock,
  ) => {
    events = [];
    const session = new MqttSession({
      identity,
      handlers,
      clock,
      floor,
      waits,
      random: Math.random,
      logger: makeLogger('test', 'silent'),
    });
    sessions.push(session);
    session.start();
    return session;
  };

  it('connects, takes what is for the device, and sends what the hub acknowledges', async () => {
    await hub.broker.retain(topics.trust('root'), Buffer.from('r'));
    const identity = await hub.enrol('s-1');
    await hub.broker.retain(topics.device('s-1', 'desired'), Buffer.from('d'));
    const session = begin(identity);
    await expect.poll(() => events.toSorted()).toEqual(['connected', 'desired d', 'trust root r']);
    events = [];
    await hub.broker.send('s-1', topics.chunk('s-1', 'ab'.repeat(32)), Buffer.from('c'), 0);
    await hub.broker.send('s-1', topics.device('s-1', 'chunk/error'), Buffer.from('e'), 0);
    await hub.broker.send('s-1', topics.device('s-1', 'command'), Buffer.from('m'), 1);
    await expect.poll(() => events).toEqual(['chunk abab c', 'chunkError e', 'command m']);
    await session.publish('reply', Buffer.from('answer'));
    expect(hub.messages.at(-1)).toMatchObject({ deviceId: 's-1', leaf: 'reply' });
    expect(await hub.devices.get('s-1')).toMatchObject({ connected: true });
    await session.close();
    await expect.poll(async () => (await hub.devices.get('s-1'))?.connected).toBe(false);
  });

  it('does not count a message as sent while the hub has not stored it', async () => {
    const session = begin(await hub.enrol('s-2'));
    await expect.poll(() => session.isConnected).toBe(true);
    let fail: (error: Error) => void = () => undefined;
    hub.handlers.reply = () => new Promise((_resolve, reject) => (fail = reject));
    const sent = session.publish('reply', Buffer.from('x'));
    await expect.poll(() => hub.messages.at(-1)?.leaf).toBe('reply');
    fail(new Error('disk full'));
    await expect(sent).rejects.toMatchObject({ code: 'link_lost' });
  });

  it('comes back by itself after the hub was away', async () => {
    const session = begin(await hub.enrol('s-3'));
    await expect.poll(() => events).toContain('connected');
    events = [];
    await hub.restartBroker();
    await expect.poll(() => events, { timeout: 10_000 }).toEqual(['disconnected', 'connected']);
    await session.publish('reply', Buffer.from('back'));
  });

  it('keeps nothing of the connections that are over, however many they were', async () => {
    const signals = new Set<AbortSignal>();
    const { addEventListener } = EventTarget.prototype;
    const add = vi.spyOn(EventTarget.prototype, 'addEventListener').mockImplementation(function (
      this: EventTarget,
      ...args: Parameters<EventTarget['addEventListener']>
    ) {
      if (this instanceof AbortSignal) signals.add(this);
      return addEventListener.apply(this, args);
    });
    onTestFinished(() => add.mockRestore());
    const identity = await hub.enrol('s-many');
    let tries = 0;
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        tries += 1;
        return systemClock.sleep(ms, signal);
      },
    };
    const nowhere = { ...identity, mqtt: { ...identity.mqtt, port: 1 } };
    begin(nowhere, clock, { ...quick, lost: { firstMs: 1, maxMs: 2 } });
    await expect.poll(() => tries).toBeGreaterThan(20);
    const kept = [...signals].map((signal) => getEventListeners(signal, 'abort').length);
    expect(Math.max(...kept)).toBeLessThan(4);
  });

  it('refuses to publish while there is no connection', async () => {
    const identity = await hub.enrol('s-4');
    const session = begin({ ...identity, mqtt: { host: 'localhost', port: 1 } });
    await expect(session.publish('reply', Buffer.from('x'))).rejects.toMatchObject({ code: 'link_lost' });
  });

  it('is cut off at once when the device is removed, refused later, and waits long before it asks again', async () => {
    const session = begin(await hub.enrol('s-5'));
    await expect.poll(() => session.isConnected).toBe(true);
    const { clock, waits } = countedWaits();
    await hub.devices.remove('s-5', operator);
    await expect.poll(() => session.isConnected, { timeout: 2_000 }).toBe(false);
    await session.close();
    const identity = await hub.enrol('s-5b');
    await hub.devices.remove('s-5b', operator);
    const refused = begin(identity, clock);
    await expect.poll(() => waits.length, { timeout: 5_000 }).toBeGreaterThan(1);
    expect(refused.isConnected).toBe(false);
    expect(events).toEqual([]);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(30_000);
    await refused.close();
  });

  it('refuses the certificate of a removed device even when its id is enrolled again', async () => {
    const old = await hub.enrol('s-6', `${hub.folder}/s-6-old`);
    await hub.devices.remove('s-6', operator);
    await hub.enrol('s-6', `${hub.folder}/s-6-new`);
    const { clock, waits } = countedWaits();
    const session = begin(old, clock);
    // It has been refused more than once.
    await expect.poll(() => waits.length).toBeGreaterThan(1);
    expect(session.isConnected).toBe(false);
    expect(events).toEqual([]);
  });

  it('does not talk to a broker whose certificate has another name', async () => {
    const identity = await hub.enrol('s-7');
    const elsewhere = await hub.startBrokerNamed('elsewhere.example');
    const named = await hub.startBrokerNamed('localhost');
    try {
      const { clock, waits } = countedWaits();
      const session = begin({ ...identity, mqtt: { host: 'localhost', port: elsewhere.port } }, clock);
      // It has tried more than once.
      await expect.poll(() => waits.length).toBeGreaterThan(1);
      expect(session.isConnected).toBe(false);
      expect(events).toEqual([]);
      const other = begin({ ...identity, mqtt: { host: 'localhost', port: named.port } });
      await expect.poll(() => other.isConnected).toBe(true);
    } finally {
      await Promise.all([elsewhere.close(), named.close()]);
    }
  });

  /** A server with the hub's own certificate that says what no hub would; returns its port and the sockets it got. */
  const hostileHub = async (speak: (socket: TLSSocket) => void) => {
    const { serverKeyPem, serverCertPem, caPem } = hub.authority;
    const sockets: TLSSocket[] = [];
    const server = createServer({ key: serverKeyPem, cert: serverCertPem, ca: caPem }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write(packet(0x20, Buffer.from([0, 0])));
        speak(socket);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, sockets };
  };

  const sleeps = (into: number[]): Clock => ({
    ...systemClock,
    sleep: (ms, signal) => {
      into.push(ms);
      return systemClock.sleep(ms, signal);
    },
  });

  it('ends a connection over which 100 MB are announced, before they come, and stays away for long', async () => {
    const { port, sockets } = await hostileHub((socket) => {
      socket.write(packet(0x30, Buffer.alloc(70_000), 100_000_000));
    });
    const identity = await hub.enrol('s-huge');
    const waits: number[] = [];
    begin({ ...identity, mqtt: { host: 'localhost', port } }, sleeps(waits));
    await expect.poll(() => sockets.some((socket) => socket.destroyed), { timeout: 5_000 }).toBe(true);
    await expect.poll(() => waits.some((ms) => ms >= 30_000)).toBe(true);
  });

  it('takes trust metadata and a chunk of the largest size', async () => {
    const identity = await hub.enrol('s-full');
    begin(identity);
    await expect.poll(() => events).toContain('connected');
    events = [];
    await hub.broker.retain(topics.trust('publisher'), Buffer.alloc(limits.trustMetadataBytesMax, 'x'));
    await hub.broker.send(
      's-full',
      topics.chunk('s-full', 'ab'.repeat(32)),
      Buffer.alloc(limits.chunkBytes),
      0,
    );
    await expect.poll(() => events.length, { timeout: 5_000 }).toBe(2);
    await hub.broker.retain(topics.trust('publisher'), Buffer.alloc(0));
  });

  it('ends a connection that floods it with messages nobody asked for', async () => {
    const strange = publishPacket('mf/1/of/another/kind', Buffer.from('x'));
    const { port, sockets } = await hostileHub((socket) => {
      for (let n = 0; n < limits.strangeMessagesMax + 2; n += 1) socket.write(strange);
    });
    const identity = await hub.enrol('s-flood');
    const waits: number[] = [];
    begin({ ...identity, mqtt: { host: 'localhost', port } }, sleeps(waits));
    await expect.poll(() => sockets.some((socket) => socket.destroyed), { timeout: 5_000 }).toBe(true);
    await expect.poll(() => waits.some((ms) => ms >= 30_000)).toBe(true);
  });

  it('pings while a long message is under way, since its answer would come only after it', async () => {
    let received = Buffer.alloc(0);
    const { port } = await hostileHub((socket) => {
      socket.on('data', (data) => {
        received = Buffer.concat([received, data]);
      });
      socket.write(packet(0x30, Buffer.alloc(0), limits.trustMetadataBytesMax));
      const timer = setInterval(() => socket.write(Buffer.alloc(100)), 5);
      socket.on('close', () => clearInterval(timer));
    });
    const identity = await hub.enrol('s-long');
    const quickly: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(30, signal) };
    begin({ ...identity, mqtt: { host: 'localhost', port } }, quickly);
    const ping = Buffer.from([0xc0, 0x00]);
    await expect.poll(() => received.includes(Buffer.concat([ping, ping])), { timeout: 3_000 }).toBe(true);
  });

  const days = (n: number) => n * 86_400_000;

  it('connects with a clock 400 days behind when signed statements prove a later time', async () => {
    const identity = await hub.enrol('s-behind');
    const later = { now: () => Date.now() + days(400) };
    const broker = await hub.startBrokerNamed('localhost', {
      notBefore: Date.now() + days(390),
      notAfter: Date.now() + days(800),
    });
    onTestFinished(() => broker.close());
    const session = begin(
      { ...identity, mqtt: { host: 'localhost', port: broker.port } },
      systemClock,
      quick,
      later,
    );
    await expect.poll(() => session.isConnected).toBe(true);
  });

  it('tries again soon after a fault of the clock, which may be set any moment', async () => {
    const identity = await hub.enrol('s-clock');
    const ahead: Clock = { ...systemClock, now: () => Date.now() + days(4_000) };
    const tries: number[] = [];
    const counting: Clock = { ...sleeps(tries), now: ahead.now };
    begin(identity, counting);
    await expect.poll(() => tries.length).toBeGreaterThan(3);
    expect(Math.max(...tries)).toBeLessThanOrEqual(quick.lost.maxMs);
  });

  it('tells both agents of a copied data folder, and the hub’s operator; neither comes back at full speed', async () => {
    const identity = await hub.enrol('s-copied');
    const waits: number[] = [];
    let takenOver = 0;
    const told = new Set<string>();
    for (const instance of ['aa'.repeat(16), 'bb'.repeat(16)]) {
      const clock = sleeps(waits);
      const watch = new LinkWatch({
        tell: (code, text) => {
          if (code === 'identity_shared' && text) told.add(instance);
        },
        clock,
        logger: makeLogger('test', 'silent'),
      });
      const session = new MqttSession({
        identity,
        handlers: { ...handlers, command: (payload) => watch.receive(payload) },
        clock,
        floor: clock,
        // A connection holds for long as soon as it is there: without the word of the hub every wait would be a short one.
        waits: { ...quick, stableMs: 0 },
        random: Math.random,
        logger: makeLogger('test', 'silent'),
        instance,
        isShared: () => watch.isShared,
        onFailure: () => {
          takenOver += 1;
        },
      });
      sessions.push(session);
      session.start();
      await expect.poll(() => session.isConnected).toBe(true);
    }
    // The one that comes back is told; the other is told when it does, a wait later.
    await expect.poll(() => told.size, { timeout: 5_000 }).toBe(2);
    await expect.poll(() => waits.some((ms) => ms >= 30_000)).toBe(true);
    const before = takenOver;
    await systemClock.sleep(300);
    expect(takenOver).toBe(before);
    expect(before).toBeLessThanOrEqual(4);
    const device = await hub.devices.view('s-copied');
    expect(device.conditions).toMatchObject([{ code: 'identity_shared', severity: 'error' }]);
    expect(await hub.devices.get('s-copied')).toMatchObject({
      id: 's-copied',
      conditions: [{ code: 'identity_shared' }],
    });
    expect(await hub.audit.list({ action: 'device.identity_shared' })).toMatchObject([
      { actor: 'hub', target: 'device/s-copied' },
    ]);
  });

  it('does not connect with a certificate that this clock calls expired', async () => {
    const identity = await hub.enrol('s-8');
    const { clock, waits } = countedWaits();
    const session = begin(identity, { ...clock, now: () => Date.UTC(2090, 0, 1) });
    await expect.poll(() => waits.length).toBeGreaterThan(1);
    expect(session.isConnected).toBe(false);
    expect(events).toEqual([]);
  });
});

/** A clock that waits a moment for each wait, and how long each was to be. */
function countedWaits(): { readonly clock: Clock; readonly waits: readonly number[] } {
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => {
      waits.push(ms);
      return systemClock.sleep(Math.min(ms, 20), signal);
    },
  };
  return { clock, waits };
}

function text(payload: Uint8Array): string {
  return Buffer.from(payload).toString();
}
