/** The client against a real hub, over a line that loses the answer. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { HttpHubClient } from '../../../cli/hub-client.ts';
import { RunningHub } from '../../support/running-hub.ts';

/** Passes TLS on to the hub; after `loseAnswer()` it cuts the connection on which the next bytes of the hub come, before they go on. */
async function lossyLine(hub: RunningHub) {
  let losing = false;
  let lost = 0;
  const server = createServer((near) => {
    const far = connect(Number(new URL(hub.url).port), 'localhost');
    const end = () => [near, far].map((socket) => socket.destroy());
    near
      .on('data', (bytes) => far.write(bytes))
      .on('error', end)
      .on('close', end);
    far.on('error', end).on('close', end);
    far.on('data', (bytes) => {
      if (!losing) return near.write(bytes);
      losing = false;
      lost += 1;
      return end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    loseAnswer: () => {
      losing = true;
    },
    lost: () => lost,
  };
}

it('a request whose answer is lost is sent again and done once, and its secret comes all the same', async () => {
  const hub = await RunningHub.start();
  onTestFinished(() => hub.stop());
  const line = await lossyLine(hub);
  const client = new HttpHubClient({ url: line.url, token: hub.adminToken, ca: hub.ca });
  onTestFinished(() => client.close());
  // The connection stands before the answer to be lost.
  await client.get('/me');
  line.loseAnswer();
  const made = (await client.post('/tokens', { name: 'once', role: 'viewer' })) as { secret: string };
  expect(line.lost()).toBe(1);
  expect(await hub.clientOf(made.secret).get('/me')).toMatchObject({ name: 'once' });
  const { events } = (await client.get('/audit', { target: 'token/once' })) as { events: unknown[] };
  expect(events).toHaveLength(1);
}, 30_000);
