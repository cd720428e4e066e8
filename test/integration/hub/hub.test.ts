import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { migrations } from '../../../hub/db/migrator.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

let hub: RunningHub;
let agent: Agent;
beforeAll(async () => {
  hub = await RunningHub.start();
  agent = new Agent({ connect: { ca: hub.ca } });
});
afterAll(async () => {
  await agent.close();
  await hub.stop();
});

async function call(
  method: string,
  path: string,
  options: { token?: string; body?: string; type?: string } = {},
) {
  const answer = await request(hub.url + path, {
    method: method as 'GET',
    dispatcher: agent,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.body === undefined ? {} : { 'content-type': options.type ?? 'application/json' }),
    },
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  const text = await answer.body.text();
  const type = String(answer.headers['content-type']);
  return {
    status: answer.statusCode,
    type,
    headers: answer.headers,
    json: type.includes('json') ? JSON.parse(text) : text,
  };
}

describe('the hub over HTTPS', () => {
  it('answers probes without a token and metrics only with one', async () => {
    expect(await call('GET', '/healthz')).toMatchObject({ status: 200, json: { alive: true } });
    expect(await call('GET', '/readyz')).toMatchObject({ status: 200, json: { ready: true } });
    expect((await call('GET', '/metrics')).status).toBe(401);
    const metrics = await call('GET', '/metrics', { token: hub.adminToken });
    expect(metrics.json).toContain('modelfleet_http_request_seconds');
  });

  it('describes every route of the API with its lowest role', async () => {
    const { json } = await call('GET', '/openapi.json');
    expect(json.openapi).toMatch(/^3\./);
    expect(json.paths['/api/v1/tokens'].post).toMatchObject({ tags: ['access'], security: [{ token: [] }] });
    for (const [path, methods] of Object.entries<Record<string, { summary?: string; tags?: string[] }>>(
      json.paths,
    )) {
      for (const [method, route] of Object.entries(methods)) {
        expect(route.summary, `${method} ${path}`).toBeTruthy();
        expect(route.tags?.length, `${method} ${path}`).toBeGreaterThan(0);
      }
    }
    expect((await call('GET', '/docs')).status).toBe(200);
  });

  it.each([
    ['no token', undefined],
    ['a token nobody was given', 'mft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['a token with characters of its own', 'a b"c'],
  ])('refuses %s with 401 and problem details', async (_what, token) => {
    const answer = await call('GET', '/api/v1/tokens', token === undefined ? {} : { token });
    expect(answer).toMatchObject({
      status: 401,
      type: expect.stringContaining('application/problem+json'),
      json: { code: 'unauthorized', status: 401, retry: 'never', type: 'urn:modelfleet:error:unauthorized' },
    });
    expect(answer.headers['www-authenticate']).toContain('Bearer');
    expect(answer.json.instance).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['a value outside its schema', '{"name":"x","role":"king"}', 'bad_input', 400, '/role'],
    ['a name with a slash', '{"name":"a/b","role":"viewer"}', 'bad_input', 400, '/name'],
    ['a missing value', '{"role":"viewer"}', 'bad_input', 400, 'name'],
    ['text that is no JSON', '{', 'bad_input', 400, 'JSON'],
    ['a body over the limit', `{"name":"${'x'.repeat(5 * 1024 * 1024)}"}`, 'too_large', 413, '16384'],
  ])('refuses %s', async (_what, body, code, status, text) => {
    const answer = await call('POST', '/api/v1/tokens', { token: hub.adminToken, body });
    expect(answer).toMatchObject({ status, json: { code, detail: expect.stringContaining(text) } });
    expect(answer.type).toContain('application/problem+json');
  });

  it('refuses a media type it does not read', async () => {
    const answer = await call('POST', '/api/v1/tokens', { token: hub.adminToken, body: 'a', type: 'text/x' });
    expect(answer).toMatchObject({ status: 415, json: { code: 'media_type_unsupported' } });
  });

  it('refuses a query outside its schema and converts one inside it', async () => {
    const wrong = await call('GET', '/api/v1/audit?limit=0', { token: hub.adminToken });
    expect(wrong).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    const right = await call('GET', '/api/v1/audit?limit=1', { token: hub.adminToken });
    expect(right.json.events).toHaveLength(1);
  });

  it('answers an unknown path as problem details', async () => {
    expect(await call('GET', '/api/v1/nothing')).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });

  it('limits wrong tokens by address, says when to come back, and lets right ones through meanwhile', async () => {
    const own = await RunningHub.start();
    onTestFinished(() => own.stop());
    const stranger = own.clientOf('mft_wrong');
    const codes: string[] = [];
    for (let i = 0; i < 70; i += 1) {
      const error = await stranger.get('/me').catch((e: { code: string; retryAfterMs?: number }) => e);
      codes.push((error as { code: string }).code);
    }
    expect(codes.filter((code) => code === 'unauthorized')).toHaveLength(60);
    expect(codes.at(-1)).toBe('rate_limited');
    await expect(stranger.get('/me')).rejects.toMatchObject({ retryAfterMs: expect.any(Number) });
    expect(await own.client.get('/me')).toMatchObject({ role: 'admin' });
  });
});

describe('API tokens', () => {
  it('stop working at once when revoked, and their names are not given again', async () => {
    const made = (await hub.client.post('/tokens', { name: 'ci', role: 'viewer' })) as { secret: string };
    const ci = hub.clientOf(made.secret);
    expect(await ci.get('/me')).toEqual({ name: 'ci', role: 'viewer' });
    await hub.client.delete('/tokens/ci');
    await expect(ci.get('/me')).rejects.toMatchObject({ code: 'unauthorized' });
    await expect(hub.client.post('/tokens', { name: 'ci', role: 'viewer' })).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(hub.client.delete('/tokens/nobody')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('expire', async () => {
    let now = Date.now();
    const clock = { ...systemClock, now: () => now };
    const own = await RunningHub.start({ clock });
    onTestFinished(() => own.stop());
    const made = (await own.client.post('/tokens', { name: 'short', role: 'viewer', ttlMs: 60_000 })) as {
      secret: string;
    };
    const short = own.clientOf(made.secret);
    now += 59_999;
    expect(await short.get('/me')).toMatchObject({ name: 'short' });
    now += 1;
    await expect(short.get('/me')).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('cannot be revoked when it is the last admin token that works', async () => {
    await expect(hub.client.delete('/tokens/admin')).rejects.toMatchObject({ code: 'conflict' });
    expect(await hub.client.get('/me')).toMatchObject({ name: 'admin' });
  });

  it('are listed without their secrets, and every act on them is in the audit log', async () => {
    const made = (await hub.client.post('/tokens', { name: 'listed', role: 'operator' })) as {
      secret: string;
    };
    const text = JSON.stringify(await hub.client.get('/tokens'));
    expect(text).toContain('"listed"');
    expect(text).not.toContain(made.secret);
    const { events } = (await hub.client.get('/audit', { action: 'token', target: 'token/listed' })) as {
      events: unknown[];
    };
    expect(events).toMatchObject([
      { actor: 'token:admin', action: 'token.created', address: expect.stringMatching(/127\.0\.0\.1|::1/) },
    ]);
    expect(await hub.client.get('/audit/verify')).toMatchObject({ intact: true });
  });

  it('never reach a log line or the database in clear', async () => {
    const made = (await hub.client.post('/tokens', { name: 'hidden', role: 'viewer' })) as { secret: string };
    await hub.clientOf(made.secret).get('/me');
    await call('GET', `/api/v1/me?token=${made.secret}`, { token: made.secret });
    expect(hub.logLines.length).toBeGreaterThan(5);
    const written = hub.logLines.join('');
    const files = await Promise.all(['hub.db', 'hub.db-wal'].map((name) => readFile(join(hub.data, name))));
    for (const secret of [made.secret, hub.adminToken]) {
      expect(written).not.toContain(secret);
      for (const bytes of files) expect(bytes.includes(secret)).toBe(false);
    }
  });
});

describe('a hub and its data folder', () => {
  it('keeps everything over a restart: CA, tokens, audit log; and makes no second first token', async () => {
    const own = await RunningHub.start();
    onTestFinished(() => own.stop());
    const { caSha256, url } = own.addresses;
    await own.client.post('/tokens', { name: 'kept', role: 'viewer' });
    await own.restart();
    expect(own.addresses).toMatchObject({ caSha256, url });
    expect(own.addresses.adminToken).toBeUndefined();
    expect(JSON.stringify(await own.client.get('/tokens'))).toContain('"kept"');
    expect(await own.client.get('/audit/verify')).toMatchObject({ intact: true });
  });

  it('refuses a second hub on the folder and goes on itself', async () => {
    await expect(RunningHub.start({ data: hub.data })).rejects.toMatchObject({
      code: 'data_folder_locked',
      message: expect.stringContaining(hub.data),
    });
    expect(await hub.client.get('/me')).toMatchObject({ name: 'admin' });
  });

  it('refuses a folder a newer version wrote, and lets go of it', async () => {
    const data = await tempFolder();
    await (await RunningHub.start({ data })).stop();
    const file = new BetterSqlite3(join(data, 'hub.db'));
    const set = file.prepare("update meta set value = ? where key = 'schema_version'");
    set.run('999');
    await expect(RunningHub.start({ data })).rejects.toMatchObject({ code: 'data_folder_newer' });
    set.run(String(migrations.at(-1)!.number));
    file.close();
    await (await RunningHub.start({ data })).stop();
  });

  it('names the port another program has and the option that changes it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    await expect(RunningHub.start({ options: { httpPort: port } })).rejects.toMatchObject({
      code: 'port_in_use',
      message: expect.stringMatching(new RegExp(`127\\.0\\.0\\.1:${port}.*--http-port`)),
    });
  });

  it('makes its folder and secret files readable by their owner alone', async () => {
    const data = join(await tempFolder(), 'new');
    const own = await RunningHub.start({ data });
    onTestFinished(() => own.stop());
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    const entries = await readdir(data, { recursive: true, withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(names).toContain(join(data, 'pki', 'ca.pem'));
    for (const name of names) expect((await stat(name)).mode & 0o077, name).toBe(0);
  });
});
