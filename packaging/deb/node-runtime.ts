/** The Node that goes into a package: the one `package-lock.json` names, of this machine's processor or of another. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Architecture } from '../carried-packages.ts';

const run = promisify(execFile);

/** The folder of the Node package for `architecture`. What is not installed is fetched into `folder` and compared with the lock file. */
export async function nodeRuntime(root: string, architecture: Architecture, folder: string): Promise<string> {
  const name = `node-linux-${architecture}`;
  const installed = join(root, 'node_modules', name);
  if (existsSync(join(installed, 'bin/node'))) return installed;
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { version: string; integrity: string }>>;
  };
  const wanted = lock.packages[`node_modules/${name}`];
  if (!wanted)
    throw new Error(`Cannot package Node for ${architecture}: package-lock.json does not name "${name}".`);
  await run('npm', ['pack', `${name}@${wanted.version}`, '--pack-destination', folder], { cwd: root });
  const tarball = join(folder, `${name}-${wanted.version}.tgz`);
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(tarball))
    .digest('base64')}`;
  if (integrity !== wanted.integrity) {
    throw new Error(
      `Cannot package Node: ${name}@${wanted.version} has ${integrity}, expected ${wanted.integrity}.`,
    );
  }
  await run('tar', ['--extract', '--file', tarball, '--directory', folder]);
  return join(folder, 'package');
}
