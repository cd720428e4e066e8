/** A hub whose database file was damaged by a disk or by another program: it is found, named with the way out, and told as that. */
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { RouteCaller } from '../../../support/every-route.ts';
import { StockedHub } from '../../../support/stocked-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let original: StockedHub;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-damaged-'));
  original = await StockedHub.make(folder);
  return () => rm(folder, { recursive: true });
});

/** Overwrites the page on which a table or an index of a stopped hub begins. */
async function damage(data: string, name: string): Promise<void> {
  const file = join(data, 'hub.db');
  const database = new BetterSqlite3(file);
  database.pragma('wal_checkpoint(truncate)');
  const { rootpage } = database.prepare('select rootpage from sqlite_master where name = ?').get(name) as {
    rootpage: number;
  };
  const pageSize = database.pragma('page_size', { simple: true }) as number;
  database.close();
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(pageSize, 0xa5), 0, pageSize, (rootpage - 1) * pageSize);
  await handle.close();
}

describe('a page of the database that is damaged', () => {
  it('is found in the background although nobody reads it, and named with the way out', async () => {
    const stocked = await original.copy();
    await damage(stocked.data, 'telemetry_bucket_by_time');
    const hub = await stocked.start();
    const routes = new RouteCaller(hub, stocked.adminToken);
    await expect
      .poll(async () => (await routes.call('GET', '/readyz')).json.checks.storage, {
        timeout: 60_000,
        interval: 500,
      })
      .toMatch(/^database_damaged: /);
    expect((await routes.call('GET', '/readyz')).status).toBe(503);
    const { text } = await routes.call('GET', '/metrics');
    expect(text).toMatch(/^modelfleet_storage_fault\{code="database_damaged"\} 1$/m);
    expect(hub.logLines.join('')).toContain('restore a backup');
    // The rest of it serves, and keeps an account.
    await expect
      .poll(async () => (await routes.call('GET', '/api/v1/audit?action=storage')).json.events)
      .toMatchObject([{ action: 'storage.damaged', details: { reason: expect.any(String) } }]);
    expect((await routes.newToken()).status).toBe(201);
    // A write that succeeds makes the database no better.
    expect((await routes.call('GET', '/readyz')).status).toBe(503);
  });

  it('is a refusal with its code to those who read it, and to nobody else', async () => {
    const stocked = await original.copy();
    await damage(stocked.data, 'audit_event');
    const hub = await stocked.start();
    const routes = new RouteCaller(hub, stocked.adminToken);
    expect(await routes.call('GET', '/api/v1/audit')).toMatchObject({
      status: 500,
      code: 'database_damaged',
    });
    const failed = (await routes.everyRoute()).filter(({ status }) => status >= 500);
    expect(failed.map(({ route }) => route)).toContain('GET /api/v1/audit');
    for (const answer of failed) expect(answer).toMatchObject({ code: 'database_damaged' });
    expect((await routes.call('GET', '/api/v1/models')).status).toBe(200);
    expect((await routes.call('GET', '/readyz')).status).toBe(503);
  });

  it('ends the start with the file and the way out when the hub cannot do without it', async () => {
    const stocked = await original.copy();
    await damage(stocked.data, 'version');
    await expect(stocked.start()).rejects.toMatchObject({ code: 'database_damaged' });
  });
});

it.each([
  ['garbage', (file: string) => writeFile(file, 'x'.repeat(100_000))],
  ['a piece of it', (file: string) => truncate(file, 50_000)],
  ['less than a page of it', (file: string) => truncate(file, 100)],
])('a database file that is %s ends the start with its name and the way out', async (_what, make) => {
  const stocked = await original.copy();
  const file = join(stocked.data, 'hub.db');
  await make(file);
  await expect(stocked.start()).rejects.toMatchObject({
    code: 'database_damaged',
    entry: expect.objectContaining({ fix: expect.stringContaining('restore a backup') }),
  });
});
