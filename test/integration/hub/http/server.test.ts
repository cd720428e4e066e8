import { once } from 'node:events';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { connect } from 'node:tls';
import { sql } from 'kysely';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { type TSchema, Type } from 'typebox';
import { Agent, request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { Readiness } from '../../../../hub/http/readiness.ts';
import { RequestRate } from '../../../../hub/http/request-rate.ts';
import type { Routes } from '../../../../hub/http/routes.ts';
import { HttpServer } from '../../../../hub/http/server.ts';
import { Authority } from '../../../../hub/pki/authority.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

async function startServer(routes: Routes, readiness = new Readiness()) {
  const authority = await Authority.open(join(await tempFolder(), 'pki'), {
    clock: systemClock,
    advertise: [],
  });
  const logLines: string[] = [];
  const server = new HttpServer({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem },
    tokens: {
      authenticate: async (secret) => (secret === 'right' ? { name: 'me', role: 'admin' } : undefined),
    },
    requestRate: new RequestRate({ perMinuteMax: 1_000, monotonic: () => performance.now() }),
    routes: [routes],
    readiness,
    metrics: new Registry(),
    logger: pino(
      { level: 'info' },
      new Writable({
        write: (chunk, _encoding, done) => {
          logLines.push(String(chunk));
          done();
        },
      }),
    ),
    version: '0',
  });
  await server.start({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.close());
  const agent = new Agent({ connect: { ca: authority.caPem } });
  onTestFinished(() => agent.close());
  const call = async (path: string, options: { method?: 'POST'; body?: string } = {}) => {
    const answer = await request(`https://localhost:${server.port}${path}`, {
      method: options.method ?? 'GET',
      dispatcher: agent,
      headers: {
        authorization: 'Bearer right',
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(options.body === undefined ? {} : { body: options.body }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, text, json: JSON.parse(text) };
  };
  return { call, logLines, port: server.port, caPem: authority.caPem };
}

const described = { schema: { operationId: 'doThing', summary: 'Do a thing', tags: ['hub'] } };
const open = { ...described, config: { role: 'viewer' as const } };
const withBody = <T extends TSchema>(body: T) => ({ ...open, schema: { ...described.schema, body } });

describe('HttpServer', () => {
  it('cannot be started with a route that names no role', async () => {
    await expect(
      startServer((api) => {
        api.get('/open-door', described, () => ({}));
      }),
    ).rejects.toThrow('/api/v1/open-door names no role');
  });

  it('cannot be started with a route that is not described', async () => {
    const start = (schema: object) =>
      startServer((api) => {
        api.get('/thing', { config: { role: 'viewer' }, schema }, () => ({}));
      });
    const { schema } = described;
    await expect(start({ ...schema, operationId: undefined })).rejects.toThrow(
      '/api/v1/thing has no operationId',
    );
    await expect(start({ ...schema, summary: undefined })).rejects.toThrow('has no summary');
    await expect(start({ ...schema, tags: ['no-such-tag'] })).rejects.toThrow(
      'has no tag of access, alerts, audit',
    );
  });

  it('answers a defect as internal with the request id, without its text or stack, and logs it once', async () => {
    const { call, logLines } = await startServer((api) => {
      api.get('/broken', open, () => {
        throw new TypeError('secret inside is undefined');
      });
    });
    const answer = await call('/api/v1/broken');
    expect(answer).toMatchObject({ status: 500, json: { code: 'internal', retry: 'later' } });
    expect(answer.text).not.toMatch(/secret inside|TypeError|\.ts/);
    const logged = logLines.filter((line) => line.includes('secret inside'));
    expect(logged).toHaveLength(1);
    expect(JSON.parse(logged[0]!)).toMatchObject({ requestId: answer.json.instance, msg: 'request failed' });
    for (let n = 0; n < 20; n += 1) await call('/api/v1/broken');
    expect(logLines.filter((line) => line.includes('secret inside'))).toHaveLength(1);
  });

  it('says when to come back in a header and in the body', async () => {
    const { call } = await startServer((api) => {
      api.get('/busy', open, () => {
        throw new AppError('rate_limited', 'Busy.', { retryAfterMs: 1_200, details: { queue: 7 } });
      });
    });
    const answer = await call('/api/v1/busy');
    expect(answer).toMatchObject({ status: 429, json: { retryAfterMs: 1_200, details: { queue: 7 } } });
    expect(answer.headers['retry-after']).toBe('2');
  });

  it('names a full disk, and keeps what was stored', async () => {
    const database: Database = await openDatabase(join(await tempFolder(), 'hub.db'));
    onTestFinished(() => database.destroy());
    await database.insertInto('model').values({ name: 'kept', created_at: 1 }).execute();
    const pages = await sql<{ page_count: number }>`pragma page_count`.execute(database);
    await sql.raw(`pragma max_page_count = ${pages.rows[0]!.page_count}`).execute(database);
    const { call } = await startServer((api) => {
      api.post('/fill', open, async () => {
        await database
          .insertInto('meta')
          .values({ key: 'big', value: 'x'.repeat(1024 * 1024) })
          .execute();
        return {};
      });
    });
    expect(await call('/api/v1/fill', { method: 'POST' })).toMatchObject({
      status: 503,
      json: { code: 'disk_full', retry: 'later', retryAfterMs: 30_000 },
    });
    expect(await database.selectFrom('model').select('name').execute()).toEqual([{ name: 'kept' }]);
  });

  it('fills in defaults of a schema and never shows what a secret field held', async () => {
    const { call } = await startServer((api) => {
      const body = Type.Object({
        secret: Type.Optional(Type.String({ minLength: 50 })),
        limit: Type.Integer({ default: 7 }),
      });
      api.post('/echo', withBody(body), (r) => ({ limit: r.body.limit }));
    });
    expect((await call('/api/v1/echo', { method: 'POST', body: '{}' })).json).toEqual({ limit: 7 });
    const refused = await call('/api/v1/echo', { method: 'POST', body: '{"secret":"hunter2"}' });
    expect(refused).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    expect(refused.text).not.toContain('hunter2');
  });

  it('names the limit of the route whose body is too large', async () => {
    const { call } = await startServer((api) => {
      api.post('/small', { ...open, bodyLimit: 1_000 }, () => ({}));
      api.post('/large', open, () => ({}));
    });
    const body = JSON.stringify('x'.repeat(2_000));
    expect(await call('/api/v1/small', { method: 'POST', body })).toMatchObject({
      status: 413,
      json: { code: 'too_large', detail: expect.stringContaining('limit of 1000 bytes') },
    });
    const huge = JSON.stringify('x'.repeat(limits.httpBodyBytesMax));
    expect((await call('/api/v1/large', { method: 'POST', body: huge })).json.detail).toContain(
      `limit of ${limits.httpBodyBytesMax} bytes`,
    );
  });

  it('refuses deep nesting before anything walks it', async () => {
    const { call } = await startServer((api) => {
      api.post('/any', withBody(Type.Unknown()), (r) => ({ taken: r.body }));
    });
    const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect((await call('/api/v1/any', { method: 'POST', body: deep(10) })).status).toBe(200);
    expect(await call('/api/v1/any', { method: 'POST', body: deep(5_000) })).toMatchObject({
      status: 400,
      json: { code: 'bad_input', detail: expect.stringContaining('levels deep') },
    });
  });

  it('ends a request whose head does not come whole in time', async () => {
    const { port, caPem } = await startServer(() => undefined);
    const socket = connect({ port, host: 'localhost', ca: caPem });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n');
    const startedMs = performance.now();
    socket.resume();
    await once(socket, 'close');
    // Node by itself gives it a minute, and looks twice in a minute.
    expect(performance.now() - startedMs).toBeLessThan(5 * limits.httpHeadMsMax);
  }, 70_000);

  it('limits calls of a public route by address', async () => {
    const { call } = await startServer((api) => {
      api.get('/door', { ...described, config: { role: 'public' } }, () => ({}));
    });
    const statuses: number[] = [];
    for (let i = 0; i < 610; i += 1) statuses.push((await call('/api/v1/door')).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(600);
    expect(statuses.at(-1)).toBe(429);
  });

  it('answers HEAD as it answers GET, without the body, which load balancers rely on', async () => {
    const readiness = new Readiness();
    const { port, caPem } = await startServer((api) => {
      api.get('/thing', open, () => ({}));
    }, readiness);
    const agent = new Agent({ connect: { ca: caPem } });
    onTestFinished(() => agent.close());
    const head = async (path: string) => {
      const headers = { authorization: 'Bearer right' };
      const options = { method: 'HEAD', dispatcher: agent, headers } as const;
      const { statusCode, body } = await request(`https://localhost:${port}${path}`, options);
      return [statusCode, await body.text()];
    };
    expect(await head('/healthz')).toEqual([200, '']);
    expect(await head('/readyz')).toEqual([200, '']);
    readiness.add('disk', () => {
      throw new Error('read only');
    });
    expect(await head('/readyz')).toEqual([503, '']);
    expect(await head('/api/v1/thing')).toEqual([200, '']);
  });

  it('is not ready while a part is not', async () => {
    const readiness = new Readiness();
    let works = false;
    readiness.add('disk', () => {
      if (!works) throw new Error('read only');
    });
    const { call } = await startServer(() => undefined, readiness);
    expect(await call('/readyz')).toMatchObject({
      status: 503,
      json: { ready: false, checks: { disk: 'read only' } },
    });
    works = true;
    expect(await call('/readyz')).toMatchObject({
      status: 200,
      json: { ready: true, checks: { disk: 'ok' } },
    });
  });
});
