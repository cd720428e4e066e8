/** The package as an installation has it: what `files` of package.json names, built, with no TypeScript beside it. */
import { cp, glob, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildPrograms } from '../../build.ts';

const root = join(import.meta.dirname, '../..');
const packagedNode = `node_modules/node-linux-${process.arch}`;

export interface InstalledPackage {
  /** Folder of its bins. */
  readonly bins: string;
  remove(): Promise<void>;
}

/** Builds it into a temporary folder, where no package but that of Node is found; `more` as in `buildPrograms`. */
export async function installPackage(more: readonly string[] = []): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-package-'));
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { files: string[] };
  for (const pattern of [...files.filter((one) => one !== 'dist'), 'README.md', 'package.json']) {
    for await (const file of glob(pattern, { cwd: root })) {
      await cp(join(root, file), join(folder, file), { recursive: true });
    }
  }
  await buildPrograms(join(folder, 'dist'), { more, architectures: [process.arch as 'x64' | 'arm64'] });
  await mkdir(dirname(join(folder, packagedNode)));
  await symlink(join(root, packagedNode), join(folder, packagedNode));
  return { bins: join(folder, 'bin'), remove: () => rm(folder, { recursive: true, force: true }) };
}
