import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { HubOptions } from '../../../../hub/config/options-schema.ts';
import { TrustedProxies } from '../../../../hub/http/trusted-proxies.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { RunningHub } from '../../../support/running-hub.ts';

vi.setConfig({ testTimeout: 60_000 });

async function startHub(options: Partial<HubOptions>): Promise<RunningHub> {
  const hub = await RunningHub.start({ options });
  onTestFinished(() => hub.stop());
  return hub;
}

/** Makes a token as the admin, from `localAddress`, and returns the address that the audit log has of it. */
async function auditedAddress(hub: RunningHub, localAddress: string, forwardedFor: string): Promise<string> {
  const dispatcher = new Agent({ connect: { ca: hub.ca }, localAddress });
  const name = `t-${Math.random().toString(36).slice(2)}`;
  const answer = await request(`${hub.url.replace('localhost', '127.0.0.1')}/api/v1/tokens`, {
    method: 'POST',
    dispatcher,
    headers: {
      authorization: `Bearer ${hub.adminToken}`,
      'content-type': 'application/json',
      'x-forwarded-for': forwardedFor,
    },
    body: JSON.stringify({ name, role: 'viewer' }),
  });
  await answer.body.dump();
  await dispatcher.close();
  expect(answer.statusCode).toBeLessThan(300);
  const { events } = (await hub.client.get('/audit', { target: `token/${name}` })) as {
    events: { address: string }[];
  };
  return events[0]!.address;
}

it('a trusted proxy says for whom it calls, nobody else does, and what the client itself wrote before that is not believed', async () => {
  const hub = await startHub({ trustedProxies: ['127.0.0.2', '10.0.0.0/8'] });
  expect(await auditedAddress(hub, '127.0.0.2', '203.0.113.7')).toBe('203.0.113.7');
  expect(await auditedAddress(hub, '127.0.0.3', '203.0.113.7')).toBe('127.0.0.3');
  // The client claimed to be 198.51.100.1; the proxy appended where it was called from.
  expect(await auditedAddress(hub, '127.0.0.2', '198.51.100.1, 203.0.113.7')).toBe('203.0.113.7');
  // Two proxies behind one another.
  expect(await auditedAddress(hub, '127.0.0.2', '198.51.100.1, 203.0.113.7, 10.1.2.3')).toBe('203.0.113.7');
  expect(await auditedAddress(hub, '127.0.0.2', 'nonsense')).toBe('127.0.0.2');
  expect(await auditedAddress(hub, '127.0.0.2', '203.0.113.7, x y, 10.1.2.3')).toBe('10.1.2.3');
});

it('callers behind a proxy have rate limits of their own', async () => {
  const hub = await startHub({ trustedProxies: ['127.0.0.2'] });
  const dispatcher = new Agent({ connect: { ca: hub.ca }, localAddress: '127.0.0.2' });
  onTestFinished(() => dispatcher.close());
  const wrongToken = async (client: string) => {
    const answer = await request(`${hub.url.replace('localhost', '127.0.0.1')}/api/v1/me`, {
      dispatcher,
      headers: { authorization: 'Bearer mft_wrong', 'x-forwarded-for': client },
    });
    await answer.body.dump();
    return answer.statusCode;
  };
  for (let n = 0; n < limits.failedLoginsPerMinuteMax; n += 1)
    expect(await wrongToken('203.0.113.7')).toBe(401);
  expect(await wrongToken('203.0.113.7')).toBe(429);
  expect(await wrongToken('203.0.113.8')).toBe(401);
});

it('a proxy may have more connections than one address may, and another address no more than that', async () => {
  const hub = await startHub({ trustedProxies: ['127.0.0.2'], httpConnectionsPerAddress: 4 });
  const port = Number(new URL(hub.url).port);
  const open = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => undefined).resume();
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const proxied = await Promise.all(Array.from({ length: 8 }, () => open('127.0.0.2')));
  for (let n = 0; n < 4; n += 1) await open('127.0.0.3');
  await once(await open('127.0.0.3'), 'close');
  expect(proxied.filter(({ closed }) => closed)).toHaveLength(0);
  await expect
    .poll(() => hub.client.get('/audit', { action: 'security.connection' }), { timeout: 10_000 })
    .toMatchObject({
      events: [{ address: '127.0.0.3', details: { reasons: ['more than 4 of one address'] } }],
    });
});

it('a range that is none is refused by name', () => {
  for (const range of ['10.0.0.0/33', '10.0.0', '::/129', '1.2.3.4/x']) {
    expect(() => new TrustedProxies([range])).toThrow(`"${range}"`);
  }
  const proxies = new TrustedProxies(['10.0.0.0/8', '2001:db8::/32']);
  expect(['10.9.9.9', '::ffff:10.9.9.9', '2001:db8::1'].map((one) => proxies.isTrusted(one))).toEqual([
    true,
    true,
    true,
  ]);
  expect(['11.0.0.1', '2001:db9::1', 'x', undefined].some((one) => proxies.isTrusted(one))).toBe(false);
});
