/** `modelfleet hub gc` as an operator runs it, on a whole hub in which time passes. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../platform/system-clock.ts';
import { runCli } from '../../support/cli.ts';
import { RouteCaller } from '../../support/every-route.ts';
import { digestOf } from '../../support/packed-version.ts';
import type { RunningHub } from '../../support/running-hub.ts';
import { StockedHub, stock } from '../../support/stocked-hub.ts';

vi.setConfig({ testTimeout: 60_000 });

const DAY_MS = 86_400_000;
let under: string;
let stocked: StockedHub;
let aheadMs = 0;
const clock = { ...systemClock, now: () => Date.now() + aheadMs };

beforeAll(async () => {
  under = await mkdtemp(join(tmpdir(), 'modelfleet-test-'));
  stocked = await StockedHub.make(under);
}, 60_000);
afterAll(() => rm(under, { recursive: true, force: true }));

async function blobs(hub: RunningHub): Promise<string[]> {
  const entries = await readdir(join(hub.data, 'blobs'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

describe('modelfleet hub gc', () => {
  it('shows what would leave, lets it leave, and keeps what a version names; the audit log and the metrics say so', async () => {
    const { adminToken } = stocked;
    const hub = await stocked.start({ clock });
    const client = hub.clientOf(adminToken);
    const config = join(under, 'login.json');
    const cli = async (...args: string[]) => {
      const result = await runCli(config, args);
      expect(result.code, result.stderr).toBe(0);
      return result.stdout;
    };
    await cli('login', hub.url, '--token', adminToken, '--ca-fingerprint', hub.addresses.caSha256);
    const bytes = randomBytes(2048);
    const abandoned = digestOf(bytes);
    await client.putBytes(`/blobs/${abandoned}`, bytes);
    const before = await blobs(hub);
    expect(before).toContain(abandoned);
    expect(await cli('hub', 'gc', '--yes')).toMatch(/^unreferenced-blobs +0 +0 B /m);
    aheadMs = 2 * DAY_MS;
    expect(await cli('hub', 'gc', '--dry-run')).toMatch(
      /^unreferenced-blobs +1 +2.0 KiB +\d{4}-\d\d-\d\d \d\d:\d\dZ +no version names it.*1d \(--upload-kept\)$/m,
    );
    expect(await blobs(hub)).toEqual(before);
    const { kinds } = JSON.parse(await cli('hub', 'gc', '--json', '--yes'));
    expect(kinds).toContainEqual(
      expect.objectContaining({ kind: 'unreferenced-blobs', count: 1, bytes: 2048 }),
    );
    expect(await blobs(hub)).toEqual(before.filter((digest) => digest !== abandoned));
    expect(await client.get(`/models/${stock.model}/versions/${stock.version}`)).toMatchObject(stock);
    const { text } = await new RouteCaller(hub, adminToken).call('GET', '/metrics');
    expect(text).toContain('modelfleet_retention_removed_total{kind="unreferenced-blobs"} 1\n');
    expect(text).toContain('modelfleet_retention_removed_bytes_total{kind="unreferenced-blobs"} 2048\n');
    expect(text).toContain('modelfleet_blob_bytes{referenced="no"} 0\n');
    const { events } = (await client.get('/audit', { action: 'retention', limit: 1 })) as {
      events: object[];
    };
    expect(events).toMatchObject([
      { actor: 'token:admin', details: { 'unreferenced-blobs': { count: 1, bytes: 2048 } } },
    ]);
  });

  it('is for admins alone', async () => {
    const hub = await (await stocked.copy()).start();
    for (const role of ['viewer', 'operator', 'publisher']) {
      const made = (await hub.clientOf(stocked.adminToken).post('/tokens', { name: `t-${role}`, role })) as {
        secret: string;
      };
      await expect(hub.clientOf(made.secret).post('/hub/gc', { dryRun: true })).rejects.toMatchObject({
        code: 'forbidden',
      });
    }
  });
});
