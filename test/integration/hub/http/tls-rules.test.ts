import { constants } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ConnectionHub } from '../../../support/connection-hub.ts';
import { RunningHub } from '../../../support/running-hub.ts';

vi.setConfig({ testTimeout: 60_000 });

let hub: RunningHub;
let doors: ConnectionHub;
let device: { readonly key: string; readonly cert: string };
beforeAll(async () => {
  hub = await RunningHub.start();
  doors = await ConnectionHub.start();
  device = await doors.certificateFor('d-1', { purpose: 'device' });
});
afterAll(async () => {
  await hub?.stop();
  await doors?.stop();
});

/** Protocol and suite of a handshake, or the code it failed with. */
async function shakeHands(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    ca: doors.authority.caPem,
    ...device,
    ...options,
  });
  try {
    await once(socket, 'secureConnect');
    return `${socket.getProtocol()} ${socket.getCipher().standardName}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
}

const ports = {
  REST: () => doors.http.port,
  MQTT: () => doors.broker.port,
};

describe.each(['REST', 'MQTT'] as const)('the %s port', (name) => {
  it.each([
    ['TLS 1.3', { minVersion: 'TLSv1.3' }, 'TLSv1.3 TLS_AES_256_GCM_SHA384'],
    [
      'TLS 1.2 with forward secrecy and AEAD',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
      'TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    ],
  ] as const)('takes %s', async (_what, options, wanted) => {
    expect(await shakeHands(ports[name](), options)).toBe(wanted);
  });

  it.each([
    [
      'CBC with forward secrecy',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256' },
    ],
    ['RSA key exchange with AEAD', { maxVersion: 'TLSv1.2', ciphers: 'AES256-GCM-SHA384:AES128-GCM-SHA256' }],
    ['RSA key exchange with CBC', { maxVersion: 'TLSv1.2', ciphers: 'AES256-SHA:AES128-SHA' }],
    [
      'TLS 1.1',
      {
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
        secureOptions: constants.SSL_OP_ALL,
      },
    ],
  ] as const)('refuses %s', async (_what, options) => {
    expect(await shakeHands(ports[name](), options)).toMatch(/ALERT|HANDSHAKE_FAILURE|ECONNRESET|PROTOCOL/);
  });
});

it('a failed handshake at the REST port is counted and a security event, and one who only connects is none', async () => {
  const port = Number(new URL(hub.url).port);
  const count = async () => (await figures()).refused;
  const figures = async () => {
    const dispatcher = new Agent({ connect: { ca: hub.ca } });
    const headers = { authorization: `Bearer ${hub.adminToken}` };
    const text = await (await request(`${hub.url}/metrics`, { dispatcher, headers })).body.text();
    await dispatcher.close();
    return {
      refused: Number(/modelfleet_refusals_total\{kind="https_handshake"\} (\d+)/.exec(text)?.[1]),
      open: Number(/modelfleet_http_connections (\d+)/.exec(text)?.[1]),
    };
  };
  const before = await count();
  const probe = connectTcp({ host: '127.0.0.1', port });
  await once(probe, 'connect');
  probe.destroy();
  const plain = connectTcp({ host: '127.0.0.1', port });
  plain.on('error', () => undefined);
  plain.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(plain.resume(), 'close');
  await expect.poll(count).toBe(before + 1);
  expect((await figures()).open).toBeGreaterThanOrEqual(1);
  await expect
    .poll(() => hub.client.get('/audit', { action: 'security.https_handshake' }), { timeout: 10_000 })
    .toMatchObject({ events: [{ actor: 'anonymous', address: '127.0.0.1', target: 'api' }] });
});
