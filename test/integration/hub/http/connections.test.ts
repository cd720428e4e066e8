import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { RunningHub } from '../../../support/running-hub.ts';

vi.setConfig({ testTimeout: 60_000 });

it('one address that holds as many connections as it may takes none from another, and has them no longer than a handshake may last', async () => {
  const hub = await RunningHub.start();
  onTestFinished(() => hub.stop());
  const port = Number(new URL(hub.url).port);
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const open = async (localAddress: string) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => undefined).resume();
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  for (let n = 0; n < limits.httpConnectionsPerAddressMax; n += 1) await open('127.0.0.2');
  await once(await open('127.0.0.2'), 'close');
  expect(sockets.filter(({ closed }) => closed)).toHaveLength(1);
  expect(await hub.client.get('/devices')).toMatchObject({ devices: [] });
  await expect.poll(() => sockets.every(({ closed }) => closed), { timeout: 40_000 }).toBe(true);
});
