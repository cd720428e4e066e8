import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RunningHub } from '../../../support/running-hub.ts';

vi.setConfig({ testTimeout: 60_000 });

async function opened<Connection extends Socket>(socket: Connection, event: string): Promise<Connection> {
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, event);
  return socket;
}

const portOf = (hub: RunningHub) => Number(new URL(hub.url).port);
const secure = (hub: RunningHub): Promise<TLSSocket> =>
  opened(connect({ host: 'localhost', port: portOf(hub), ca: hub.ca }), 'secureConnect');

const clients: readonly [string, (hub: RunningHub) => Promise<unknown>][] = [
  ['that begins no handshake', (hub) => opened(connectTcp(portOf(hub), 'localhost'), 'connect')],
  ['that asks for nothing', secure],
  [
    'that never ends the head of its request',
    async (hub) => (await secure(hub)).write('GET /healthz HTTP/1.1\r\nHost: x\r\n'),
  ],
  [
    'that never ends the body of its request',
    async (hub) =>
      (await secure(hub)).write(
        `PUT /api/v1/blobs/${'a'.repeat(64)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${hub.adminToken}\r\n` +
          'Content-Type: application/octet-stream\r\nContent-Length: 200000\r\n\r\nabc',
      ),
  ],
];

describe('a hub that is stopped', () => {
  it.concurrent.each(clients)('ends although there is a client %s', async (_, open) => {
    const hub = await RunningHub.start();
    onTestFinished(() => hub.stop());
    await open(hub);
    // What was written is on its way.
    await hub.client.get('/devices');
    const began = performance.now();
    await hub.halt();
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  it('answers what it was asked before', async () => {
    const hub = await RunningHub.start();
    onTestFinished(() => hub.stop());
    const answers = Promise.all(Array.from({ length: 8 }, () => hub.client.get('/audit')));
    await hub.client.get('/devices');
    await hub.halt();
    expect(await answers).toHaveLength(8);
  });
});
