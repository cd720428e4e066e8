/** A hub whose database another process holds: reading goes on, writing is refused with what is in the way. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { RouteCaller } from '../../../support/every-route.ts';
import { StockedHub } from '../../../support/stocked-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let original: StockedHub;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-locked-'));
  original = await StockedHub.make(folder);
  return () => rm(folder, { recursive: true });
});

/** As a shell of SQLite does in which somebody began to change something and went to lunch. */
function lock(data: string): () => void {
  const other = new BetterSqlite3(join(data, 'hub.db'));
  onTestFinished(() => void other.close());
  other.exec('begin exclusive');
  return () => other.exec('rollback');
}

it('reads go on while another process holds the database, writes say so, and the audit log records it', async () => {
  const stocked = await original.copy();
  const hub = await stocked.start();
  const routes = new RouteCaller(hub, stocked.adminToken);
  const unlock = lock(stocked.data);
  const reading = [
    '/me',
    '/tokens',
    '/models',
    '/devices',
    '/rollouts',
    '/trust',
    '/audit?action=trust',
    '/audit/verify',
  ];
  // The write is waited for a while; reads do not wait behind it.
  const written = routes.newToken();
  for (const path of reading) expect((await routes.call('GET', `/api/v1${path}`)).status, path).toBe(200);
  const refused = await written;
  expect(refused).toMatchObject({ status: 503, code: 'database_locked' });
  expect(refused.headers).toMatchObject({ 'retry-after': '5' });
  expect(await routes.call('GET', '/readyz')).toMatchObject({
    status: 503,
    json: { checks: { storage: expect.stringMatching(/^database_locked: /) } },
  });
  unlock();
  await expect
    .poll(async () => (await routes.call('GET', '/readyz')).status, { timeout: 60_000, interval: 500 })
    .toBe(200);
  expect((await routes.newToken()).status).toBe(201);
  expect((await routes.call('GET', '/api/v1/audit?action=storage')).json).toMatchObject({
    events: [{ action: 'storage.recovered', details: { faults: [{ code: 'database_locked' }] } }],
  });
});

it('no route answers with a defect', async () => {
  const stocked = await original.copy();
  const hub = await stocked.start();
  const routes = new RouteCaller(hub, stocked.adminToken);
  const unlock = lock(stocked.data);
  const answers = await routes.everyRoute();
  const failed = answers.filter(({ status }) => status >= 500);
  expect(failed.length).toBeGreaterThan(0);
  for (const answer of failed) expect(answer).toMatchObject({ status: 503, code: 'database_locked' });
  const reads = answers.filter(({ route }) => route.startsWith('GET '));
  expect(reads.length).toBeGreaterThan(20);
  for (const { route, status } of reads) expect(status, route).toBeLessThan(500);
  unlock();
});

it('a start on it waits a while and ends with the same', async () => {
  const stocked = await original.copy();
  const unlock = lock(stocked.data);
  await expect(stocked.start()).rejects.toMatchObject({
    code: 'database_locked',
    message: expect.stringContaining(stocked.data),
  });
  unlock();
  await stocked.start();
});
