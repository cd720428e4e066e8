/** What is in a Debian package. Whether it can be installed, run and purged is tested by `npm run test:deb`. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildDebianPackages } from '../../packaging/deb/main.ts';
import { maintainerScripts } from '../../packaging/deb/maintainer-scripts.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const run = promisify(execFile);
const has = (tool: string) =>
  run('sh', ['-c', `command -v ${tool}`]).then(
    () => true,
    () => false,
  );
const [hasDpkg, hasShellcheck] = await Promise.all(['dpkg-deb', 'shellcheck'].map(has));
const INSTALLED_KIB_MAX = 200_000;

describe.skipIf(!hasDpkg)('the Debian package of the agent (with dpkg-deb)', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelfleet-deb-'));
    const files = await buildDebianPackages({ out: folder, compression: 'gzip', only: ['modelfleet-agent'] });
    file = files[0]!;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has a unit, options, a manual page and one processor’s runtime, all of root', async () => {
    const { stdout } = await run('dpkg-deb', ['--contents', file]);
    const entries = stdout.trim().split('\n');
    expect(entries.filter((entry) => !/^\S+ root\/root /.test(entry))).toEqual([]);
    const paths = entries.map((entry) => /\.(\/.*?)( -> .*)?$/.exec(entry)?.[1]);
    expect(paths).toEqual(
      expect.arrayContaining([
        '/lib/systemd/system/modelfleet-agent.service',
        '/etc/modelfleet/agent.yaml',
        '/usr/bin/modelfleet-agent',
        '/usr/share/man/man8/modelfleet-agent.8.gz',
        '/usr/share/doc/modelfleet-agent/docs/ERRORS.md',
      ]),
    );
    const runtimes = paths.filter((path) => path?.includes('libonnxruntime'));
    expect(runtimes).toHaveLength(1);
    expect(runtimes[0]).toContain(`/linux/${process.arch}/`);
    expect(paths.filter((path) => path?.includes('swagger') || path?.includes('/hub/'))).toEqual([]);
  });

  it('takes at most 200 MB, depends on what its scripts and binaries use, and names its options file', async () => {
    const field = async (name: string) => (await run('dpkg-deb', ['--field', file, name])).stdout.trim();
    expect(Number(await field('Installed-Size'))).toBeLessThan(INSTALLED_KIB_MAX);
    for (const needed of ['libc6', 'libstdc++6', 'adduser', 'init-system-helpers']) {
      expect(await field('Depends')).toContain(needed);
    }
    await run('dpkg-deb', ['--control', file, join(folder, 'control')]);
    expect(await readFile(join(folder, 'control/conffiles'), 'utf8')).toBe('/etc/modelfleet/agent.yaml\n');
  });
});

describe('the scripts of a Debian package', () => {
  it.skipIf(!hasShellcheck)('pass shellcheck', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelfleet-scripts-'));
    for (const [name, text] of Object.entries(maintainerScripts('modelfleet-hub'))) {
      await writeFile(join(folder, name), text);
    }
    const scripts = ['postinst', 'prerm', 'postrm'].map((name) => join(folder, name));
    const found = await run('shellcheck', scripts).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    );
    await rm(folder, { recursive: true });
    expect(found).toBe('');
  });
});
