/** Every route of a running hub, as its own description lists them, with requests that no client of ours sends. */
import { gzipSync } from 'node:zlib';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { describedOperations, type Method, type Schema } from '../../../support/described-api.ts';
import { RunningHub } from '../../../support/running-hub.ts';

interface Route {
  readonly method: Method;
  readonly path: string;
  readonly body: Schema | undefined;
  readonly query: readonly string[];
}

let hub: RunningHub;
let agent: Agent;
let routes: readonly Route[];

beforeAll(async () => {
  hub = await RunningHub.start();
  agent = new Agent({ connect: { ca: hub.ca } });
  routes = describedRoutes((await send('GET', '/openapi.json')).json);
}, 60_000);
afterAll(async () => {
  await agent?.close();
  await hub?.stop();
});

const ids: Readonly<Record<string, string>> = {
  id: 'r-0011223344aa',
  model: 'demo',
  version: '1.0.0',
  name: 'nobody',
  role: 'root',
  sha256: 'a'.repeat(64),
};

/** Ids of another form than a rollout's. */
const idsOf = [
  ['/api/v1/join-tokens/', 'jt-001122334455'],
  ['/api/v1/alerts/', 'a-0011223344aa'],
  ['/api/v1/alert-silences/', 's-0011223344aa'],
] as const;

/** What stands outside the API (probes, metrics) reads no query and no body. */
function describedRoutes(document: object): Route[] {
  return describedOperations(document)
    .filter(({ path }) => path.startsWith('/api/'))
    .map(({ method, path, body, parameters }) => ({
      method,
      path: path.replaceAll(
        /\{(\w+)\}/g,
        (_, name: string) => idsOf.find(([prefix]) => path.startsWith(prefix))?.[1] ?? ids[name]!,
      ),
      body: body?.schema,
      query: parameters.filter((one) => one.in === 'query').map((one) => one.name),
    }));
}

async function send(
  method: Method,
  path: string,
  {
    body,
    headers = {},
    token = hub.adminToken,
  }: { body?: string | Buffer; headers?: object; token?: string } = {},
) {
  const answer = await request(`${hub.url}${path}`, {
    method,
    dispatcher: agent,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, text, json: text === '' ? undefined : JSON.parse(text) };
}

const name = ({ method, path }: Route) => `${method} ${path}`;
const objectOf = (schema: Schema | undefined): Schema | undefined =>
  schema?.anyOf ? schema.anyOf.find(({ properties }) => properties) : schema?.properties && schema;
/** Enrolment is a message of a device: it stays open to fields that a newer agent may send. */
const isOpen = ({ path }: Route) => path === '/api/v1/enrol';

describe('every route of the hub', () => {
  it('is described with what it takes and no more', () => {
    const bodies = routes.flatMap((route) => {
      const object = objectOf(route.body);
      return object ? [{ route, object }] : [];
    });
    expect(bodies.length).toBeGreaterThan(10);
    for (const { route, object } of bodies) {
      expect(object.additionalProperties, name(route)).toBe(isOpen(route));
    }
  });

  it('refuses a query parameter that it does not know, and names the one that was meant', async () => {
    // A body that is wanted is asked for first.
    const bodiless = routes.filter(({ body }) => objectOf(body) === undefined);
    expect(bodiless.filter(({ query }) => query.length > 0).length).toBeGreaterThan(5);
    for (const route of bodiless) {
      const known = route.query[0];
      const wrong = known === undefined ? 'verbose' : `${known}s`;
      const answer = await send(route.method, `${route.path}?${wrong}=1`);
      expect(answer, name(route)).toMatchObject({
        status: 400,
        json: { code: 'bad_input', detail: expect.stringContaining(`/${wrong} is not a known field`) },
      });
      if (known !== undefined) expect(answer.json.detail).toContain(`did you mean "${known}"?`);
    }
  });

  it('does nothing of a request whose query it does not know', async () => {
    const answer = await send('POST', '/api/v1/tokens?dry=1', { body: '{"name":"made","role":"viewer"}' });
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining('/dry') } });
  });

  it('refuses a field that it does not know, and names the one that was meant', async () => {
    for (const route of routes.filter((one) => !isOpen(one))) {
      const object = objectOf(route.body);
      for (const known of Object.keys(object?.properties ?? {})) {
        const wrong = `${known}x`;
        const answer = await send(route.method, route.path, { body: JSON.stringify({ [wrong]: 1 }) });
        expect(answer, name(route)).toMatchObject({ status: 400, json: { code: 'bad_input' } });
        expect(answer.json.detail).toContain(`/${wrong} is not a known field; did you mean "${known}"?`);
      }
    }
  });

  it('refuses a body where it takes none', async () => {
    for (const route of routes.filter(
      ({ method, body }) => method === 'DELETE' || (method === 'POST' && !body),
    )) {
      const answer = await send(route.method, route.path, { body: '{"keep":true}' });
      expect(answer, name(route)).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    }
  });

  it('takes an empty object, an empty body and none for the same, where it asks for nothing', async () => {
    const asking = ({ body }: Route) => objectOf(body)?.required !== undefined || (body && !objectOf(body));
    const undemanding = routes.filter((route) => route.method !== 'GET' && !asking(route));
    expect(undemanding.length).toBeGreaterThan(7);
    for (const route of undemanding) {
      const plain = await send(route.method, route.path);
      expect(plain.json?.code, `${name(route)} ${plain.text}`).not.toBe('bad_input');
      for (const body of ['{}', '']) {
        const answer = await send(route.method, route.path, { body });
        expect([answer.status, answer.json?.code], `${name(route)} ${answer.text}`).toEqual([
          plain.status,
          plain.json?.code,
        ]);
      }
    }
  });

  it.each<readonly [string, string | Buffer, object, number, string]>([
    ['a number for a body', '5', {}, 400, 'bad_input'],
    ['a list for a body', '[]', {}, 400, 'bad_input'],
    ['text that is no JSON', '{"a":', {}, 400, 'bad_input'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400, 'bad_input'],
    ['a name given twice', '{"a":1,"a":2}', {}, 400, 'bad_input'],
    ['a name that objects inherit by', '{"__proto__":{"role":"admin"}}', {}, 400, 'bad_input'],
    ['brackets without end', '['.repeat(4_000), {}, 400, 'bad_input'],
    ['four megabytes of text', JSON.stringify('x'.repeat(4_000_000)), {}, 413, 'too_large'],
    ['two million brackets', '['.repeat(2_000_000), {}, 413, 'too_large'],
    ['a compressed body', gzipSync('{}'), { 'content-encoding': 'gzip' }, 415, 'encoding_unsupported'],
    ['a form', 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'media_type_unsupported'],
  ])('refuses %s in few words', async (what, body, headers, status, code) => {
    for (const route of routes.filter(({ method }) => method === 'POST' || method === 'PATCH')) {
      const bytes = Buffer.byteLength(body);
      const takesMore =
        bytes > limits.httpBodyBytesMax && /\/(trust|versions|withdraw|missing)$/.test(route.path);
      const answer = await send(route.method, route.path, { body, headers });
      if (takesMore) expect([400, 413], name(route)).toContain(answer.status);
      else expect(answer, `${name(route)}: ${what}`).toMatchObject({ status, json: { code } });
      expect(answer.text.length, name(route)).toBeLessThan(4_000);
    }
  });

  it.each(['limit=5&limit=6', 'limit=1e2', 'limit=true', 'limit=+5', 'limit=0x10', 'limit=', 'limit=5.0'])(
    'refuses ?%s, which may mean several things',
    async (query) => {
      for (const route of routes.filter((one) => one.query.includes('limit'))) {
        const answer = await send(route.method, `${route.path}?${query}`);
        expect(answer, name(route)).toMatchObject({ status: 400, json: { code: 'bad_input' } });
        expect(answer.json.detail).toContain('/limit');
      }
    },
  );

  it('answers a path that cannot be decoded as it answers everything else', async () => {
    expect(await send('GET', '/api/v1/devices/%zz')).toMatchObject({
      status: 400,
      json: { code: 'bad_input' },
    });
  });

  it('leaves nothing behind of what it refused', async () => {
    const { json } = await send('GET', '/api/v1/tokens');
    expect(json.tokens.map((token: { name: string }) => token.name)).toEqual(['admin']);
    expect((await send('GET', '/api/v1/rollouts')).json.rollouts).toEqual([]);
  });
});

describe('the door of the hub', () => {
  const enrol = (body: string) => send('POST', '/api/v1/enrol', { body, token: 'none' });

  it('reads no more than an enrolment needs of who has shown no token', async () => {
    const body = `{"facts":{"providers":[${'1,'.repeat(2_000_000)}1]}}`;
    expect(await enrol(body)).toMatchObject({
      status: 413,
      json: { code: 'too_large', detail: expect.stringContaining(`${limits.enrolBodyBytesMax} bytes`) },
    });
  });

  it('tells five faults of a thousand', async () => {
    const body = `{"facts":{"providers":[${'1,'.repeat(10_000)}1]}}`;
    const answer = await enrol(body);
    expect(answer).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    expect(answer.json.details.faults.length).toBeLessThanOrEqual(5);
    expect(answer.text.length).toBeLessThan(4_000);
  });

  it('takes fields that a newer agent may send', async () => {
    const answer = await enrol(JSON.stringify({ later: 1, facts: { npu: 'x' } }));
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('lacks');
    expect(answer.text).not.toContain('not a known field');
  });
});
