import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type InstalledPackage, installPackage } from '../support/installed-package.ts';
import { SmallFleet } from '../support/small-fleet.ts';

const run = promisify(execFile);

describe('the package as it is installed', () => {
  let installed: InstalledPackage;
  beforeAll(async () => {
    installed = await installPackage();
  });
  afterAll(() => installed.remove());

  it.each(['modelfleet', 'modelfleet-hub', 'modelfleet-agent'])(
    '%s tells its version and its help',
    async (program) => {
      const bin = join(installed.bins, program);
      const { version } = JSON.parse(await readFile(join(installed.bins, '../package.json'), 'utf8'));
      expect((await run(bin, ['--version'])).stdout.trim()).toBe(version);
      expect((await run(bin, ['--help'])).stdout).toContain(`Usage: ${program} `);
    },
  );

  it('carries the licences of the packages that are bundled into it', async () => {
    const text = await readFile(join(installed.bins, '../dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    expect(text).toMatch(/^fastify \S+ \(MIT\)$/m);
  });

  it('brings a version to a device and answers requests with it', async () => {
    const small = await SmallFleet.start(['packaged-1'], { bins: installed.bins });
    try {
      const version = await small.publishNext();
      await small.ended(await small.rollOut(version));
      expect(await small.infer('packaged-1')).toEqual({ version, y: 4 });
    } finally {
      await small.stop();
    }
  });
});
