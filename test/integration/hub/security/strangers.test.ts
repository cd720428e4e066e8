/** Who has no right to be let in leaves a trace: the whole hub, real HTTPS and MQTT over TLS, real SQLite. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../../hub/audit/audit-log.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { facts } from '../../../support/connection-hub.ts';
import { RunningHub } from '../../../support/running-hub.ts';

const FORGED = 1_500;
const SECRET = 'forged-secret-that-no-log-may-hold';

/** However it ends. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('refusals of strangers', () => {
  let hub: RunningHub;
  let foreign: BrokerWorld;
  let agent: Agent;
  beforeAll(async () => {
    hub = await RunningHub.start();
    foreign = await BrokerWorld.make();
    agent = new Agent({ connect: { ca: hub.ca }, connections: 20 });
  });
  afterAll(async () => {
    await agent.close();
    await hub.stop();
    await foreign.remove();
  });

  const send = async (
    method: 'GET' | 'POST',
    path: string,
    { token, body }: { token?: string; body?: object } = {},
  ) => {
    const answer = await request(`${hub.url}${path}`, {
      method,
      dispatcher: agent,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, text };
  };
  const rows = async (kind?: string): Promise<AuditRecord[]> => {
    const action = kind === undefined ? 'security' : `security.${kind}`;
    const { events } = (await hub.client.get(`/audit?action=${action}`)) as { events: AuditRecord[] };
    return events;
  };
  const counted = async (kind: string): Promise<number> => {
    const { text } = await send('GET', '/metrics', { token: hub.adminToken });
    return Number(new RegExp(`modelfleet_refusals_total\\{kind="${kind}"\\} (\\d+)`).exec(text)?.[1]);
  };
  const lines = (text: string) => hub.logLines.filter((line) => line.includes(`"msg":"${text}`));

  it('with a request that is none are told by its code: what was sent may be a secret', async () => {
    const secret = 'a secret in the wrong field';
    const { status, text } = await send('POST', '/api/v1/enrol', {
      body: { v: 1, secret: SECRET, device: secret, csr: 'none', facts },
    });
    expect(status).toBe(400);
    // The caller is shown what it sent.
    expect(text).toContain(secret);
    await expect
      .poll(() => rows('request'))
      .toMatchObject([{ target: 'api', details: { reasons: ['bad_input'] } }]);
    expect(hub.logLines.join('')).not.toContain(secret);
  });

  it('with 1 500 forged join tokens are a few rows and lines, and counted one by one', async () => {
    const enrol = (n: number) =>
      send('POST', '/api/v1/enrol', {
        body: { v: 1, secret: `${SECRET}-${n}`, device: `forged-${n}`, csr: 'none', facts },
      });
    for (let n = 0; n < FORGED; n += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => enrol(n + i)));
      for (const { status } of answers) expect([401, 403, 404, 410, 429]).toContain(status);
    }
    await expect.poll(() => rows('join_token')).not.toHaveLength(0);
    expect((await counted('join_token')) + (await counted('rate'))).toBe(FORGED);
    expect((await rows()).length).toBeLessThan(8);
    expect(await rows('join_token')).toContainEqual(
      expect.objectContaining({ actor: 'anonymous', address: '127.0.0.1', target: 'enrolment' }),
    );
    expect(lines('enrolment refused').length).toBeLessThan(4);
    expect(hub.logLines.join('')).not.toContain(SECRET);
    expect(JSON.stringify(await rows())).not.toContain(SECRET);
  });

  it('with wrong API tokens, and callers whose role is too low, are told by address and by name', async () => {
    for (let n = 0; n < 20; n += 1) {
      expect((await send('GET', '/api/v1/devices', { token: `${SECRET}-${n}` })).status).toBe(401);
    }
    const viewer = await hub.clientAs('viewer');
    await expect(viewer.post('/join-tokens', { group: 'lab', uses: 1, ttlMs: 60_000 })).rejects.toMatchObject(
      {
        code: 'forbidden',
      },
    );
    const { secret } = (await hub.client.post('/tokens', { name: 'ci', role: 'viewer' })) as {
      secret: string;
    };
    await hub.client.delete('/tokens/ci');
    expect((await send('GET', '/api/v1/devices', { token: secret })).status).toBe(401);
    await expect
      .poll(() => rows('api_token'))
      .toContainEqual(expect.objectContaining({ actor: 'token:ci', target: 'api' }));
    await expect.poll(() => rows('role')).toHaveLength(1);
    expect(await rows('role')).toMatchObject([
      { actor: expect.stringMatching(/^token:test-viewer/), details: { count: 1 } },
    ]);
    expect(await rows('api_token')).toContainEqual(
      expect.objectContaining({ actor: 'anonymous', address: '127.0.0.1', target: 'api' }),
    );
    expect(await counted('api_token')).toBe(21);
    expect(lines('API token refused')).toHaveLength(2);
    expect(hub.logLines.join('')).not.toContain(SECRET);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'with certificates of a foreign CA, or none, are told by address, in %s',
    async (maxVersion) => {
      const before = await counted('certificate');
      const { key, cert } = foreign.credentials('dev');
      const { port } = hub.mqtt;
      for (const identity of [{ key, cert }, { key, cert }, {}]) {
        const socket = connectTls({ host: 'localhost', port, ca: hub.ca, maxVersion, ...identity });
        await closed(socket);
      }
      await expect.poll(() => counted('certificate')).toBe(before + 3);
      await expect.poll(() => rows('certificate')).not.toHaveLength(0);
      const first = (await rows('certificate')).at(-1);
      expect(first).toMatchObject({
        actor: 'anonymous',
        address: '127.0.0.1',
        target: 'broker',
        details: { reasons: expect.arrayContaining(['UNABLE_TO_VERIFY_LEAF_SIGNATURE']) },
      });
      expect(lines('client certificate refused')).toHaveLength(1);
    },
  );

  it('that speak no TLS at the port of devices are told', async () => {
    const socket = connectTcp(hub.mqtt.port, 'localhost');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await closed(socket);
    await expect
      .poll(() => rows('handshake'))
      .toMatchObject([{ details: { reasons: ['ERR_SSL_HTTP_REQUEST'] } }]);
  });

  it('are written to the end when the hub stops, and the chain is whole', async () => {
    const [wrong, before] = [10, await rows('api_token')];
    for (let n = 0; n < wrong; n += 1) await send('GET', '/api/v1/devices', { token: 'wrong' });
    const total = await counted('api_token');
    await hub.restart();
    const after = await rows('api_token');
    expect(after.length).toBeGreaterThan(before.length);
    const count = after.reduce((sum, { details }) => sum + Number(details['count']), 0);
    expect(count).toBe(total);
    expect(await hub.client.get('/audit/verify')).toMatchObject({ intact: true });
    expect(systemClock.now() - Date.parse(String(after[0]!.details['until']))).toBeLessThan(60_000);
  });
});
