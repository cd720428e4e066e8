/** Anybody can open connections and leave them half open: it costs those who do it, and not the devices. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';

const PER_ADDRESS = 300;

describe('connections that are left half open', () => {
  let world: BrokerWorld;
  let broker: AedesBroker;
  let sockets: Socket[];
  beforeAll(async () => {
    world = await BrokerWorld.make();
  });
  afterAll(() => world.remove());
  const start = async (admissionMs?: number) => {
    broker = await world.startBroker({
      ...(admissionMs !== undefined && { admissionMs }),
      listen: { host: '0.0.0.0', port: 0 },
      halfOpenPerAddressMax: PER_ADDRESS,
    });
  };
  beforeEach(async () => {
    sockets = [];
    await start();
  });
  afterEach(async () => {
    world.endClients();
    for (const socket of sockets) socket.destroy();
    await broker.close();
  });

  /** Bare TCP connections from an address of this machine; resolves when they are open. */
  const open = async (count: number, localAddress: string): Promise<Socket[]> => {
    const made = Array.from({ length: count }, () =>
      connect({ host: '127.0.0.1', port: broker.port, localAddress }).on('error', () => undefined),
    );
    sockets.push(...made);
    await Promise.all(made.map((socket) => once(socket, 'connect')));
    return made;
  };

  it('are closed past the bound of their address, and count no more once they have ended', async () => {
    const many = await open(PER_ADDRESS + 20, '127.0.0.2');
    const closed = () => many.filter((socket) => socket.closed || socket.readableEnded).length;
    for (const socket of many) socket.resume();
    await expect.poll(closed).toBe(20);
    expect(broker.halfOpenCount()).toBe(PER_ADDRESS);
    for (const socket of many) socket.destroy();
    await expect.poll(() => broker.halfOpenCount()).toBe(0);
  });

  it('keep no device of another address from connecting, at once', async () => {
    await open(PER_ADDRESS, '127.0.0.2');
    await expect.poll(() => broker.halfOpenCount()).toBe(PER_ADDRESS);
    for (let n = 0; n < 3; n += 1) {
      const client = await world.connect(broker, `dev-${n}`);
      expect(client.connected).toBe(true);
    }
    await expect.poll(() => broker.halfOpenCount()).toBe(PER_ADDRESS);
  });

  it('of the same address keep a device waiting for its turn, and no longer than until some of them end', async () => {
    const idle = await open(limits.handshakesAtOncePerAddressMax, '127.0.0.1');
    await expect.poll(() => broker.halfOpenCount()).toBe(idle.length);
    const connecting = world.connect(broker, 'dev');
    await expect.poll(() => broker.halfOpenCount()).toBe(idle.length + 1);
    idle[0]!.destroy();
    await connecting;
    expect(broker.connectedCount()).toBe(1);
  });

  it('and say nothing are closed when a handshake has had its time: their turns are for others', async () => {
    await broker.close();
    await start(200);
    const count = limits.handshakesAtOncePerAddressMax + 1;
    const idle = await open(count, '127.0.0.2');
    for (const socket of idle) socket.resume();
    const closed = () => idle.filter((socket) => socket.closed || socket.readableEnded).length;
    await expect.poll(closed, { timeout: 20_000 }).toBe(count);
    expect(broker.halfOpenCount()).toBe(0);
  });

  it('have one time for handshake and CONNECT together: who has finished the one and leaves the other is closed', async () => {
    await broker.close();
    await start(1_000);
    const began = performance.now();
    const socket = await world.socket(broker, 'dev');
    expect(broker.halfOpenCount()).toBe(1);
    await once(socket.resume(), 'close');
    expect(performance.now() - began).toBeLessThan(8_000);
    await expect.poll(() => broker.halfOpenCount()).toBe(0);
    const client = await world.connect(broker, 'dev');
    await pause(1_500);
    expect(client.connected).toBe(true);
  });

  it('do not count once a device is admitted', async () => {
    for (let n = 0; n < 5; n += 1) await world.connect(broker, `dev-${n}`);
    await expect.poll(() => broker.halfOpenCount()).toBe(0);
    expect(broker.connectedCount()).toBe(5);
  });

  it('do not keep the broker from closing', async () => {
    await open(PER_ADDRESS, '127.0.0.2');
    await world.socket(broker, 'dev');
    await broker.close();
    expect(broker.halfOpenCount()).toBe(0);
  });
});
