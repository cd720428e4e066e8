/** What HTTP itself asks of a server, over real TLS sockets: methods, media types, and requests that cannot be read. */
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseProblem } from '../../../../shared/api/problem.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { describedOperations, type Operation } from '../../../support/described-api.ts';
import { RunningHub } from '../../../support/running-hub.ts';

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let hub: RunningHub;
let operations: readonly Operation[];

beforeAll(async () => {
  hub = await RunningHub.start();
  operations = describedOperations(JSON.parse((await ask('GET', '/openapi.json')).body));
}, 60_000);
afterAll(() => hub?.stop());

const port = () => Number(new URL(hub.url).port);

async function isListening(onPort: number): Promise<boolean> {
  const socket = connectPlain({ port: onPort, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Sends bytes as they are and reads until the hub closes. */
async function exchange(bytes: string): Promise<RawAnswer> {
  const socket = connect({ port: port(), host: 'localhost', ca: hub.ca });
  await once(socket, 'secureConnect');
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  const [head = '', ...rest] = Buffer.concat(chunks).toString().split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => {
    const at = line.indexOf(':');
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
  });
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: rest.join('\r\n\r\n'),
  };
}

function ask(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body = '') {
  const all = {
    host: 'localhost',
    connection: 'close',
    authorization: `Bearer ${hub.adminToken}`,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return exchange(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}

function expectProblem({ status, headers, body }: RawAnswer, wanted: number, code: string): void {
  expect({ status, type: headers['content-type']?.split(';')[0] }).toEqual({
    status: wanted,
    type: 'application/problem+json',
  });
  expect(parseProblem(JSON.parse(body))).toMatchObject({ status: wanted, code });
}

const fill = (path: string) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'role' ? 'root' : 'a'.repeat(64)));
const paths = () => [...new Set(operations.map(({ path }) => path))];
const methodsOf = (path: string) => operations.filter((one) => one.path === path).map(({ method }) => method);

describe('methods', () => {
  it('every path answers OPTIONS with the methods that it has, without a token', async () => {
    expect(paths().length).toBeGreaterThan(25);
    for (const path of paths()) {
      const { status, headers, body } = await ask('OPTIONS', fill(path), { authorization: '' });
      expect({ status, body }, path).toEqual({ status: 204, body: '' });
      const allow = headers['allow']!.split(', ');
      for (const method of methodsOf(path)) expect(allow, path).toContain(method);
      expect(allow.includes('HEAD'), path).toBe(allow.includes('GET'));
    }
  }, 60_000);

  it('every path refuses other methods and names those it has', async () => {
    for (const path of paths()) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
        const allow = (await ask('OPTIONS', fill(path))).headers['allow']!.split(', ');
        if (allow.includes(method)) continue;
        const answer = await ask(method, fill(path));
        expectProblem(answer, 405, 'method_not_allowed');
        expect(answer.headers['allow']!.split(', ')).toEqual(allow);
      }
    }
  }, 120_000);

  it('HEAD has the head of GET and no body, wherever there is GET', async () => {
    for (const { path } of operations.filter(({ method }) => method === 'GET')) {
      const get = await ask('GET', fill(path));
      const head = await ask('HEAD', fill(path));
      expect(head.body, path).toBe('');
      expect(head.status, path).toBe(get.status);
      expect(head.headers['content-type'], path).toBe(get.headers['content-type']);
    }
  }, 60_000);

  it('a path that nobody has is 404 for every method, and its body is not read', async () => {
    for (const method of ['GET', 'POST', 'OPTIONS', 'PROPFIND']) {
      const headers = { 'content-type': 'text/strange', 'content-length': '1' };
      expectProblem(await ask(method, '/api/v1/nothing', headers, 'x'), 404, 'not_found');
    }
  });
});

describe('bodies', () => {
  it('another media type is refused with the one that would be read', async () => {
    const type = { 'content-type': 'text/csv', 'content-length': '3' };
    const post = await ask('POST', '/api/v1/tokens', type, 'a,b');
    expectProblem(post, 415, 'media_type_unsupported');
    expect(post.headers).toMatchObject({ accept: 'application/json', 'accept-post': 'application/json' });
    const patch = await ask('PATCH', '/api/v1/devices/d-1', type, 'a,b');
    expect(patch.headers).toMatchObject({ accept: 'application/json', 'accept-patch': 'application/json' });
    const put = await ask(
      'PUT',
      `/api/v1/blobs/${'a'.repeat(64)}`,
      { ...type, 'content-type': 'application/json' },
      '[1]',
    );
    expectProblem(put, 415, 'media_type_unsupported');
    expect(put.headers['accept']).toBe('application/octet-stream');
  });

  it('a body without a media type is refused, and a coded one with what would be read', async () => {
    expectProblem(
      await ask('POST', '/api/v1/tokens', { 'content-length': '2' }, '{}'),
      415,
      'media_type_unsupported',
    );
    const coded = await ask(
      'POST',
      '/api/v1/tokens',
      { 'content-type': 'application/json', 'content-encoding': 'br', 'content-length': '2' },
      '{}',
    );
    expectProblem(coded, 415, 'encoding_unsupported');
    expect(coded.headers['accept-encoding']).toBe('identity');
  });
});

describe('what is created', () => {
  it('is named by Location, and found there', async () => {
    const body = JSON.stringify({ name: 'made', role: 'viewer' });
    const made = await ask(
      'POST',
      '/api/v1/tokens',
      { 'content-type': 'application/json', 'content-length': String(body.length) },
      body,
    );
    expect(made).toMatchObject({ status: 201, headers: { location: '/api/v1/tokens/made' } });
    const found = await ask('GET', made.headers['location']!);
    expect(found.status).toBe(200);
    expect(JSON.parse(found.body)).toEqual(JSON.parse(made.body).token);
    const gone = await ask('DELETE', '/api/v1/tokens/made');
    expect(gone).toMatchObject({ status: 204, body: '' });
    expect(gone.headers).not.toHaveProperty('content-type');
    expect(JSON.parse((await ask('GET', '/api/v1/tokens/made')).body)).toHaveProperty('revokedAt');
  });
});

describe('what cannot be read as a request', () => {
  it.each([
    ['a line that is no request line', 'hello hub\r\n\r\n', 400, 'bad_input'],
    ['a method that does not exist', 'BREW / HTTP/1.1\r\nhost: a\r\n\r\n', 400, 'bad_input'],
    [
      'two lengths',
      'POST /api/v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      400,
      'bad_input',
    ],
    [
      'headers over the limit',
      `GET /healthz HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
  ])('%s is answered as a problem, and the connection ends', async (_what, bytes, status, code) => {
    const answer = await exchange(bytes);
    expectProblem(answer, status, code);
    expect(answer.headers['connection']).toBe('close');
  });

  it('a head that does not end in time is answered with 408', async () => {
    const startedMs = performance.now();
    const answer = await exchange('GET /readyz HTTP/1.1\r\nhost: localhost\r\n');
    expectProblem(answer, 408, 'request_incomplete');
    expect(performance.now() - startedMs).toBeGreaterThan(limits.httpHeadMsMax / 2);
  }, 60_000);

  it('a path that cannot be decoded is a problem as well', async () => {
    expectProblem(await ask('GET', '/api/v1/devices/%zz'), 400, 'bad_input');
  });

  it('plain HTTP on the TLS port is closed without an answer', async () => {
    const socket = connectPlain({ port: port(), host: '127.0.0.1' });
    await once(socket, 'connect');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
    socket.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(socket, 'close');
    expect(Buffer.concat(chunks).toString()).not.toContain('HTTP/');
  });
});

describe('a hub that stops', () => {
  it('refuses what arrives meanwhile as a problem, and says when to come back', async () => {
    const stopping = await RunningHub.start();
    const stoppingPort = Number(new URL(stopping.url).port);
    const socket = connect({ port: stoppingPort, host: 'localhost', ca: stopping.ca });
    await once(socket, 'secureConnect');
    // A request under way keeps the connection open.
    socket.write('GET /api/v1/me HTTP/1.1\r\nhost: localhost\r\n');
    const stopped = stopping.stop();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await expect.poll(() => isListening(stoppingPort)).toBe(false);
    socket.write('\r\n');
    await once(socket, 'close');
    await stopped;
    const text = Buffer.concat(chunks).toString();
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(text).toContain('"code":"hub_stopping"');
    expect(text.toLowerCase()).toContain('retry-after: 5');
  }, 30_000);
});
