/**
 * `npm pack`, and `npm install -g` of what it makes: with no environment variable, where no host but the registry is
 * reached, on each Node that README names. Run by `npm run test:package`: it downloads three releases of Node.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SmallFleet } from '../support/small-fleet.ts';
import { openRegistryOnly, type RegistryOnly, registryOnlyObstacle } from './registry-only.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const npmFile = process.env['npm_execpath'] ?? '';
const authority = process.env['NODE_EXTRA_CA_CERTS'];
const MB = 1_000_000;

const registry = new URL((await run('npm', ['config', 'get', 'registry'], { cwd: root })).stdout.trim());
const obstacle = await registryOnlyObstacle(registry);

interface Machine {
  readonly prefix: string;
  /** Runs npm with this machine's Node, where only the registry is reached. */
  npm(...args: readonly string[]): Promise<void>;
}

describe.skipIf(obstacle)(
  `npm install -g where only the registry is reached${obstacle ? `: ${obstacle}` : ''}`,
  () => {
    let folder: string;
    let network: RegistryOnly;
    let tarball: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'modelfleet-npm-'));
      network = await openRegistryOnly(registry);
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root });
      tarball = join(folder, JSON.parse(stdout.slice(stdout.indexOf('[')))[0].filename);
    });
    afterAll(async () => {
      await network?.close();
      await rm(folder, { recursive: true, force: true });
    });

    /** A folder with the newest Node of `major` in the place where an installation of Node has it, and no settings. */
    async function machineWith(major: number, name = String(major)): Promise<Machine> {
      const prefix = join(folder, name);
      const [got, home] = [join(folder, `node-${major}`), join(prefix, 'home')];
      for (const one of [got, join(prefix, 'bin'), home]) await mkdir(one, { recursive: true });
      const release = `node-linux-${process.arch}`;
      await run('npm', ['install', '--prefix', got, '--no-save', `${release}@${major}`]);
      await link(join(got, 'node_modules', release, 'bin/node'), join(prefix, 'bin/node'));
      const settings = {
        registry,
        proxy: network.proxy,
        'https-proxy': network.proxy,
        cache: join(folder, 'cache'),
        // A network whose registry has a certificate authority of its own names it by this variable.
        ...(authority ? { cafile: authority } : {}),
      };
      const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
      await writeFile(join(home, '.npmrc'), `${lines.join('\n')}\n`);
      const env = { PATH: `${join(prefix, 'bin')}:/usr/bin:/bin`, HOME: home };
      return {
        prefix,
        npm: async (...args) => void (await network.run([join(prefix, 'bin/node'), npmFile, ...args], env)),
      };
    }

    const package_ = (prefix: string) => join(prefix, 'lib/node_modules/modelfleet');
    const runtimes = (prefix: string) =>
      readdir(join(package_(prefix), 'dist/node_modules/onnxruntime-node/bin/napi-v6/linux'));

    it.each([
      { major: 20, packagedNode: true, mbMax: 200 },
      { major: 22, packagedNode: true, mbMax: 200 },
      { major: 24, packagedNode: false, mbMax: 70 },
    ])(
      'on Node $major asks for no other host and carries what it runs',
      async ({ major, packagedNode, mbMax }) => {
        const { prefix, npm } = await machineWith(major);
        await npm('install', '-g', tarball);
        expect([...network.asked]).toEqual([registry.hostname]);
        expect(await runtimes(prefix)).toEqual([process.arch]);
        const nodes = await readdir(join(package_(prefix), 'node_modules')).catch(() => []);
        expect(nodes.filter((name) => name.startsWith('node-'))).toEqual(
          packagedNode ? [`node-linux-${process.arch}`] : [],
        );
        const bytes = await bytesBelow(package_(prefix));
        console.log(`Node ${major}: ${Math.round(bytes / MB)} MB installed`);
        expect(bytes).toBeLessThan(mbMax * MB);

        const small = await SmallFleet.start(['packaged-1'], { bins: join(prefix, 'bin') });
        try {
          const version = await small.publishNext();
          await small.ended(await small.rollOut(version));
          expect(await small.infer('packaged-1')).toEqual({ version, y: 4 });
        } finally {
          await small.stop();
        }
        await npm('uninstall', '-g', 'modelfleet');
        expect((await readdir(join(prefix, 'bin'))).sort()).toEqual(['node']);
      },
    );

    it('fails with what to do where neither the machine nor the registry has a Node that is new enough', async () => {
      const { npm } = await machineWith(20, 'offline');
      const failed = npm('install', '-g', '--offline', `--cache=${join(folder, 'empty')}`, tarball);
      await expect(failed).rejects.toThrow(/Cannot install modelfleet: it needs Node 24 or newer/);
    });

    it('works as well where install scripts are switched off, and is larger until its script is run by hand', async () => {
      const { prefix, npm } = await machineWith(20, 'no-scripts');
      await npm('install', '-g', '--ignore-scripts', tarball);
      expect((await runtimes(prefix)).sort()).toEqual(['arm64', 'x64']);
      const { version } = JSON.parse(await readFile(join(package_(prefix), 'package.json'), 'utf8'));
      const { stdout } = await run(join(prefix, 'bin/modelfleet'), ['--version'], {
        env: { PATH: '/usr/bin:/bin' },
      });
      expect(stdout.trim()).toBe(version);
      await run(join(prefix, 'bin/node'), [join(package_(prefix), 'bin/after-install.js')], { env: {} });
      expect(await runtimes(prefix)).toEqual([process.arch]);
      expect(existsSync(join(package_(prefix), `node_modules/node-linux-${process.arch}/bin/node`))).toBe(
        true,
      );
    });
  },
);

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
