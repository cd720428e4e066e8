import { once } from 'node:events';
import { readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { HubOptions } from '../../../../hub/config/options-schema.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { canMount, fillDisk, smallDisk } from '../../../support/small-disk.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000 });

async function startHub(options: Partial<HubOptions>): Promise<RunningHub> {
  const hub = await RunningHub.start({ options });
  onTestFinished(() => hub.stop());
  return hub;
}

interface Call {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function call(hub: RunningHub, { method = 'GET', path, headers = {}, body }: Call) {
  const dispatcher = new Agent({ connect: { ca: hub.ca }, localAddress: '127.0.0.2' });
  onTestFinished(() => dispatcher.close());
  const url = `${hub.url.replace('localhost', '127.0.0.1')}${path}`;
  const answer = await request(url, { method, dispatcher, headers, body: body ?? null });
  return { status: answer.statusCode, id: answer.headers['x-request-id'], body: await answer.body.text() };
}

const linesOf = async (file: string) =>
  (await readFile(file, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Lines of the file once there are so many. */
async function lines(file: string, count: number) {
  await expect.poll(async () => (await linesOf(file)).length, { timeout: 10_000 }).toBe(count);
  return linesOf(file);
}

it('has a line for each request, with its route, its caller and its real address, and no secret', async () => {
  const file = join(await tempFolder(), 'access.log');
  const hub = await startHub({ accessLog: file, trustedProxies: ['127.0.0.2'] });
  const headers = {
    authorization: `Bearer ${hub.adminToken}`,
    'x-forwarded-for': '203.0.113.7',
    'user-agent': `probe/1 ${'x'.repeat(500)}`,
  };
  const made = await call(hub, {
    method: 'POST',
    path: '/api/v1/tokens',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'phone', role: 'viewer' }),
  });
  const secret = (JSON.parse(made.body) as { secret: string }).secret;
  const listed = await call(hub, { path: '/api/v1/devices/d-1?name=hidden-value', headers });
  await call(hub, { path: '/healthz' });
  await call(hub, { method: 'HEAD', path: '/api/v1/me', headers });
  await call(hub, { path: '/api/v1/me', headers: { authorization: 'Bearer mft_wrong-secret' } });
  await call(hub, { path: `/nowhere/${'y'.repeat(2_000)}` });
  await call(hub, { path: '/%zz' });

  const found = await lines(file, 7);
  const adminLine = { actor: 'token:admin', role: 'admin', address: '203.0.113.7', component: 'hub' };
  expect(found[0]).toMatchObject({
    ...adminLine,
    level: 30,
    part: 'access',
    msg: 'request',
    requestId: made.id,
    method: 'POST',
    route: '/api/v1/tokens',
    path: '/api/v1/tokens',
    status: 201,
    bytes: Buffer.byteLength(made.body),
  });
  expect(Date.parse(String(found[0]!.time))).toBeGreaterThan(Date.now() - 60_000);
  expect(found[0]!.ms).toBeGreaterThanOrEqual(0);
  expect(String(found[0]!.userAgent).length).toBeLessThanOrEqual(limits.accessLogAgentCharsMax + 1);
  expect(found[1]).toMatchObject({ ...adminLine, path: '/api/v1/devices/d-1', status: listed.status });
  expect(found[1]!.route).toMatch(/^\/api\/v1\/devices\/:/);
  expect(found[2]).toMatchObject({ actor: 'anonymous', address: '127.0.0.2', status: 200 });
  expect(found[2]).not.toHaveProperty('role');
  expect(found[3]).toMatchObject({ ...adminLine, method: 'HEAD', bytes: 0, status: 200 });
  expect(found[4]).toMatchObject({ actor: 'anonymous', route: '/api/v1/me', status: 401 });
  expect(found[5]).toMatchObject({ route: 'none', status: 404 });
  expect(String(found[5]!.path).length).toBeLessThanOrEqual(limits.accessLogPathCharsMax + 1);
  expect(found[6]).toMatchObject({ path: '/%zz', route: 'none', status: 400, address: '127.0.0.2' });

  const text = await readFile(file, 'utf8');
  for (const hidden of [secret, hub.adminToken, 'mft_wrong-secret', 'hidden-value'])
    expect(text).not.toContain(hidden);
  expect((await stat(file)).mode & 0o777).toBe(0o640);
});

it('goes into the log of the hub with stderr, and nowhere with off', async () => {
  const hub = await startHub({ accessLog: 'stderr' });
  await call(hub, { path: '/healthz' });
  const ofRequests = (of: RunningHub) => of.logLines.filter((line) => line.includes('"part":"access"'));
  await expect.poll(() => ofRequests(hub).length).toBe(1);
  expect(JSON.parse(ofRequests(hub)[0]!)).toMatchObject({ level: 30, path: '/healthz', msg: 'request' });
  const quiet = await startHub({});
  await call(quiet, { path: '/healthz' });
  await quiet.halt();
  expect(ofRequests(quiet)).toEqual([]);
});

it('has a line for a request whose caller left before the answer', async () => {
  const file = join(await tempFolder(), 'access.log');
  const hub = await startHub({ accessLog: file });
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(hub.url).port), ca: hub.ca });
  await once(socket, 'secureConnect');
  const head = ['POST /api/v1/tokens HTTP/1.1', 'host: localhost', `authorization: Bearer ${hub.adminToken}`];
  socket.write([...head, 'content-type: application/json', 'content-length: 90', '', '{'].join('\r\n'));
  socket.end();
  const [line] = await lines(file, 1);
  expect(line).toMatchObject({ method: 'POST', path: '/api/v1/tokens', aborted: true });
});

it('refuses a start with a file that cannot be opened, or is no regular file', async () => {
  const folder = await tempFolder();
  await symlink('/dev/full', join(folder, 'device'));
  for (const accessLog of [folder, join(folder, 'absent', 'log'), join(folder, 'device')])
    await expect(RunningHub.start({ options: { accessLog } })).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('--access-log'),
    });
});

it.skipIf(!canMount)(
  'answers while the disk of the file is full, and says how many lines were lost',
  async () => {
    const disk = await smallDisk(256);
    const file = join(disk, 'access.log');
    const hub = await startHub({ accessLog: file });
    await call(hub, { path: '/healthz' });
    await lines(file, 1);
    const release = await fillDisk(disk);
    const long = `/nowhere/${'z'.repeat(limits.accessLogPathCharsMax)}`;
    const lossLines = () => hub.logLines.filter((line) => line.includes('lines of the access log were lost'));
    // What is left of the last page of the file takes some.
    await expect
      .poll(
        async () => {
          expect((await call(hub, { path: long })).status).toBe(404);
          return lossLines().length;
        },
        { timeout: 20_000 },
      )
      .toBe(1);
    await release();
    await expect
      .poll(async () => await readFile(file, 'utf8'), { timeout: 10_000 })
      .toContain('lines were lost');
  },
);
