/** Headers of the answers of a running hub, over TLS: security, request ids, entity tags, preconditions, compression, rates. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunningHub } from '../../../support/running-hub.ts';
import { storeRollouts } from '../../../support/stored-rollouts.ts';
import { tlsCaller } from '../../../support/tls-caller.ts';

let hub: RunningHub;

beforeAll(async () => {
  hub = await RunningHub.start({ options: { requestsPerToken: 400 } });
  await storeRollouts(
    hub.data,
    Array.from({ length: 60 }, (_, i) => ({
      id: `r-${i.toString(16).padStart(12, '0')}`,
      createdAt: 1_000 + i,
      model: 'air',
      status: 'completed' as const,
    })),
  );
}, 60_000);
afterAll(() => hub?.stop());

const admin = () => tlsCaller(hub, hub.adminToken);

async function tokenOf(role: string, name: string): Promise<string> {
  return (await admin()('POST', '/tokens', { body: { name, role } })).json.secret;
}

describe('security headers', () => {
  it.each([
    ['GET', '/me'],
    ['GET', '/no-such-path'],
    ['GET', '//healthz'],
    ['GET', '//openapi.json'],
    ['GET', '//%zz'],
    ['POST', '/tokens'],
  ])('stand on the answer to %s %s, also where nothing was routed', async (method, path) => {
    const { headers } = await admin()(method, path);
    expect(headers).toMatchObject({
      'strict-transport-security': 'max-age=31536000',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('forbid everybody to store an answer with a secret or a refusal, and let the caller alone keep what it read', async () => {
    const made = await admin()('POST', '/tokens', { body: { name: 'no-store', role: 'viewer' } });
    expect(made.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(made.headers.etag).toBeUndefined();
    expect((await admin()('GET', '/nowhere')).headers['cache-control']).toBe('no-store');
    expect((await admin()('GET', '/rollouts')).headers['cache-control']).toBe('private, no-cache');
  });
});

describe('request ids', () => {
  it('are the ones of the caller, in the header, the problem and the log', async () => {
    const id = 'trace-4711.a:b';
    const { headers, json } = await admin()('GET', '/rollouts/r-00000000ffff', {
      headers: { 'x-request-id': id },
    });
    expect(headers['x-request-id']).toBe(id);
    expect(json).toMatchObject({ code: 'not_found', instance: id });
    expect(hub.logLines.some((line) => line.includes(`"requestId":"${id}"`))).toBe(true);
  });

  it.each(['x'.repeat(65), 'with space', '"quoted"', 'ümlaut', '-dash'])(
    'are made anew where the caller brings %j',
    async (id) => {
      const { headers } = await admin()('GET', '/me', {
        headers: { 'x-request-id': Buffer.from(id).toString('latin1') },
      });
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it('differ between requests of one connection', async () => {
    const call = admin();
    const ids = [];
    for (let n = 0; n < 3; n += 1) ids.push((await call('GET', '/me')).headers['x-request-id']);
    expect(new Set(ids).size).toBe(3);
  });
});

describe('entity tags', () => {
  it('answer 304 without a body to who has the answer, and 200 once it has changed', async () => {
    const call = admin();
    const first = await call('GET', '/tokens/admin');
    expect(first.headers.etag).toMatch(/^"[\w-]{27}"$/);
    for (const known of [
      first.headers.etag!,
      `W/${first.headers.etag}`,
      `"other", ${first.headers.etag}`,
      '*',
    ]) {
      const again = await call('GET', '/tokens/admin', { headers: { 'if-none-match': known } });
      expect(again).toMatchObject({ status: 304, bytes: Buffer.alloc(0) });
      expect(again.headers).toMatchObject({
        etag: first.headers.etag,
        'cache-control': 'private, no-cache',
        vary: 'accept-encoding',
      });
      expect(again.headers['content-type']).toBeUndefined();
    }
    const list = await call('GET', '/tokens');
    await tokenOf('viewer', 'changes-the-list');
    const changed = await call('GET', '/tokens', { headers: { 'if-none-match': list.headers.etag! } });
    expect(changed.status).toBe(200);
    expect(changed.headers.etag).not.toBe(list.headers.etag);
  });

  it('differ by encoding, and each is known again', async () => {
    const call = admin();
    const plain = await call('GET', '/rollouts');
    const packed = await call('GET', '/rollouts', { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers.etag).toBe(plain.headers.etag!.replace(/"$/, '-gzip"'));
    const again = await call('GET', '/rollouts', {
      headers: { 'accept-encoding': 'gzip', 'if-none-match': packed.headers.etag! },
    });
    expect(again.status).toBe(304);
  });
});

describe('If-Match', () => {
  it('lets a change through that was made with what is there, and refuses the next with 412', async () => {
    const call = admin();
    await tokenOf('viewer', 'matched');
    const { etag } = (await call('GET', '/tokens/matched')).headers;
    const wrong = await call('DELETE', '/tokens/matched', { headers: { 'if-match': '"older"' } });
    expect(wrong).toMatchObject({ status: 412, json: { code: 'precondition_failed', details: { etag } } });
    expect(wrong.headers.etag).toBe(etag);
    expect((await call('GET', '/tokens/matched')).json.revokedAt).toBeUndefined();
    expect(await call('DELETE', '/tokens/matched', { headers: { 'if-match': `W/${etag}` } })).toMatchObject({
      status: 412,
    });
    expect(await call('DELETE', '/tokens/matched', { headers: { 'if-match': etag! } })).toMatchObject({
      status: 204,
    });
    expect(await call('DELETE', '/tokens/matched', { headers: { 'if-match': etag! } })).toMatchObject({
      status: 412,
    });
  });

  it('lets one of many through that come at the same time with the same tag', async () => {
    const call = admin();
    await tokenOf('viewer', 'contested');
    const { etag } = (await call('GET', '/tokens/contested')).headers;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        call('DELETE', '/tokens/contested', { headers: { 'if-match': etag! } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(412)]);
  });

  it('is refused where what is changed has no tag, instead of being passed over', async () => {
    const answer = await admin()('POST', '/tokens', {
      body: { name: 'x', role: 'viewer' },
      headers: { 'if-match': '*' },
    });
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining('If-Match') } });
  });

  it('of a rollout that is not there is answered as the change itself', async () => {
    const answer = await admin()('POST', '/rollouts/r-0000000fffff/pause', {
      headers: { 'if-match': '"a"' },
    });
    expect(answer).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });
});

describe('compression', () => {
  it.each([
    ['gzip', 'gzip', gunzipSync],
    ['br', 'br, gzip;q=0.5', brotliDecompressSync],
    ['zstd', 'gzip, deflate, br, zstd', zstdDecompressSync],
  ] as const)('packs a long answer with %s for who accepts %j', async (encoding, accepted, unpack) => {
    const plain = await admin()('GET', '/rollouts');
    const packed = await admin()('GET', '/rollouts', { headers: { 'accept-encoding': accepted } });
    expect(packed.headers).toMatchObject({
      'content-encoding': encoding,
      vary: 'accept-encoding',
      'content-length': String(packed.bytes.byteLength),
    });
    expect(packed.bytes.byteLength).toBeLessThan(plain.bytes.byteLength / 4);
    expect(unpack(packed.bytes)).toEqual(plain.bytes);
  });

  it.each(['identity', 'gzip;q=0', '*;q=0', 'deflate', 'identity, gzip;q=0.5', 'gzip;q=nonsense', ''])(
    'leaves it as it is for who accepts %j',
    async (accepted) => {
      const { headers, json } = await admin()('GET', '/rollouts', {
        headers: { 'accept-encoding': accepted },
      });
      expect(headers['content-encoding']).toBeUndefined();
      expect(json.rollouts).toHaveLength(60);
    },
  );

  it('never packs an answer with a secret, nor a short one', async () => {
    const headers = { 'accept-encoding': 'gzip' };
    expect((await admin()('GET', '/me', { headers })).headers['content-encoding']).toBeUndefined();
    const body = { name: 'unpacked', role: 'viewer' };
    const made = await admin()('POST', '/tokens', { body, headers });
    expect(made.status).toBeLessThan(300);
    expect(made.headers['vary']).toBeUndefined();
  });
});

describe('the rate of a token', () => {
  it('stands on every answer and falls; beyond it come 429 and Retry-After, for that token alone', async () => {
    const call = tlsCaller(hub, await tokenOf('viewer', 'eager'));
    const first = await call('GET', '/me');
    expect(first.headers['ratelimit-policy']).toBe('"token";q=400;w=60');
    expect(first.headers.ratelimit).toMatch(/^"token";r=399;t=\d+$/);
    expect((await call('GET', '/tokens')).headers.ratelimit).toMatch(/;r=398;/);
    let last = first;
    for (let n = 0; n < 500 && last.status !== 429; n += 1) last = await call('GET', '/me');
    expect(last).toMatchObject({ status: 429, json: { code: 'rate_limited', retry: 'later' } });
    expect(last.json.detail).toContain('--requests-per-token');
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(last.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(last.headers.ratelimit).toMatch(/;r=0;/);
    const metrics = await tlsCaller(hub, hub.adminToken)('GET', '//metrics');
    expect(metrics.status).toBe(200);
    expect(metrics.bytes.toString()).toMatch(/kind="rate"[^\n]* [1-9]/);
  });
});
