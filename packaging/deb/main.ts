/**
 * `npm run package:deb`: makes the Debian packages in `packages/`. The same sources, lock file and SOURCE_DATE_EPOCH (by default
 * the time of the last commit) give the same bytes.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type Architecture, architectures } from '../carried-packages.ts';
import { buildDebianPackage } from './build-package.ts';
import { debianPackages } from './debian-packages.ts';
import { nodeRuntime } from './node-runtime.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const debianNames: Readonly<Record<Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

export interface DebianOptions {
  /** Receives the packages. */
  readonly out: string;
  readonly processor?: Architecture;
  readonly compression?: 'xz' | 'gzip';
  /** Names of the packages to make; all by default. */
  readonly only?: readonly string[];
}

/** Returns the files it made. */
export async function buildDebianPackages(options: DebianOptions): Promise<readonly string[]> {
  const { processor = process.arch as Architecture, compression = 'xz', only } = options;
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const fetched = await mkdtemp(join(tmpdir(), 'modelfleet-deb-'));
  try {
    const node = await nodeRuntime(root, processor, fetched);
    const architecture = debianNames[processor];
    const build = { version, architecture, processor, node, compression, date: await sourceDate() };
    await mkdir(options.out, { recursive: true });
    const files: string[] = [];
    for (const pack of debianPackages.filter(({ name }) => !only || only.includes(name))) {
      files.push(await buildDebianPackage(pack, build, options.out));
    }
    return files;
  } finally {
    await rm(fetched, { recursive: true, force: true });
  }
}

async function sourceDate(): Promise<Date> {
  const given = process.env['SOURCE_DATE_EPOCH'];
  const seconds = given ?? (await run('git', ['log', '-1', '--format=%ct'], { cwd: root })).stdout;
  if (!/^\d+\s*$/.test(seconds))
    throw new Error(`Cannot read SOURCE_DATE_EPOCH "${seconds}": expected seconds.`);
  return new Date(Number(seconds) * 1_000);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string' },
      out: { type: 'string', default: 'packages' },
      fast: { type: 'boolean' },
    },
  });
  const processor = architectures.find((one) => one === values.arch || debianNames[one] === values.arch);
  if (values.arch && !processor)
    throw new Error(`Cannot build for "${values.arch}": expected amd64 or arm64.`);
  const files = await buildDebianPackages({
    out: resolve(values.out),
    ...(processor ? { processor } : {}),
    compression: values.fast ? 'gzip' : 'xz',
  });
  for (const file of files) console.log(file);
}
