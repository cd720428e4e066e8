/** A hub whose disk the kernel has made read-only, as it does after an error. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { RouteCaller } from '../../../support/every-route.ts';
import { canMount, smallDisk } from '../../../support/small-disk.ts';
import { StockedHub } from '../../../support/stocked-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let original: StockedHub;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-readonly-'));
  original = await StockedHub.make(folder);
  return () => rm(folder, { recursive: true });
});

describe.skipIf(!canMount)('a hub on a disk that is read-only', () => {
  it('does not start, and names what it cannot write', async () => {
    const disk = await smallDisk(16 * 1024);
    const stocked = await original.copy(disk);
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    await expect(stocked.start()).rejects.toMatchObject({
      code: expect.stringMatching(/^(file_unusable|disk_error)$/),
      message: expect.stringContaining(disk),
    });
  });

  it('whose chunks cannot be written refuses them with 503 and goes on with the rest', async () => {
    const disk = await smallDisk(16 * 1024);
    const stocked = await original.copy();
    const blobs = join(stocked.data, 'blobs');
    execFileSync('cp', ['-r', blobs, disk]);
    await rm(blobs, { recursive: true });
    execFileSync('ln', ['-s', join(disk, 'blobs'), blobs]);
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const hub = await stocked.start();
    const routes = new RouteCaller(hub, stocked.adminToken);
    const chunk = randomBytes(1_000);
    const digest = createHash('sha256').update(chunk).digest('hex');
    expect(await routes.call('PUT', `/api/v1/blobs/${digest}`, chunk)).toMatchObject({
      status: 503,
      code: 'disk_error',
    });
    expect((await routes.newToken()).status).toBe(201);
  });
});

describe('a data folder that is', () => {
  it('no folder ends the start with its name', async () => {
    const stocked = await original.copy();
    const file = join(await tempFolder(), 'file');
    execFileSync('touch', [file]);
    await expect(Object.assign(stocked, { data: file }).start()).rejects.toMatchObject({
      message: expect.stringContaining(file),
    });
  });
});
