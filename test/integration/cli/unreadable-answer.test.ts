/** What the command line says of answers that it cannot use. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpHubClient } from '../../../cli/hub-client.ts';
import { BrokerWorld } from '../../support/broker-world.ts';

describe('an answer of the hub', () => {
  let world: BrokerWorld;
  let server: Server;
  let client: HttpHubClient;
  let answer: { status: number; body: string | Buffer; length?: number };
  beforeAll(async () => {
    world = await BrokerWorld.make();
    const { serverKeyPem, serverCertPem, caPem } = world.authority;
    server = createServer({ key: serverKeyPem, cert: serverCertPem }, (_request, response) => {
      const { status, body, length = Buffer.byteLength(body) } = answer;
      response.writeHead(status, { 'content-length': length }).write(body);
      if (length === Buffer.byteLength(body)) response.end();
      else response.socket?.destroySoon();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    client = new HttpHubClient({ url, token: 'x', ca: caPem });
  });
  afterAll(async () => {
    await client.close();
    await new Promise((resolve) => server.close(resolve));
    await world.remove();
  });

  it.each<[string, number, string | Buffer, string, RegExp]>([
    ['cut short', 200, '{"devices":[', 'hub_answer_unreadable', /status 200 .*not JSON/],
    ['of a proxy', 502, '<html>Bad Gateway</html>', 'hub_answer_unreadable', /status 502 .*not JSON/],
    ['that is no UTF-8', 200, Buffer.from([0x22, 0xff, 0x22]), 'hub_answer_unreadable', /not JSON/],
    ['nested too deeply', 200, '['.repeat(5_000), 'hub_answer_unreadable', /levels deep/],
    ['that refuses without a reason', 404, '{}', 'hub_answer_unreadable', /status 404 .*problem answer/],
    ['that refuses in silence', 500, '', 'hub_answer_unreadable', /status 500/],
    ['that refuses with a list', 400, '[]', 'hub_answer_unreadable', /status 400/],
  ])('%s is told as what it is', async (_what, status, body, code, text) => {
    answer = { status, body };
    await expect(client.get('/devices')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(text),
    });
    await expect(client.get('/devices')).rejects.not.toMatchObject({
      message: expect.stringContaining('no modelfleet hub'),
    });
  });

  it('that ends before its length is a lost connection', async () => {
    answer = { status: 200, body: '{"dev', length: 100 };
    await expect(client.get('/devices')).rejects.toMatchObject({ code: 'hub_unreachable' });
  });
});
