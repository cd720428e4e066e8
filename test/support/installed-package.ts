/** The package as an installation has it: what `files` of package.json names, built, with no TypeScript beside it. */
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPrograms } from '../../build.ts';

const root = join(import.meta.dirname, '../..');

export interface InstalledPackage {
  /** Folder of its bins. */
  readonly bins: string;
  remove(): Promise<void>;
}

/** Builds it into a temporary folder, beside the packages of this checkout; `more` as in `buildPrograms`. */
export async function installPackage(more: readonly string[] = []): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-package-'));
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { files: string[] };
  for (const file of [...files.filter((one) => one !== 'dist'), 'package.json']) {
    await cp(join(root, file), join(folder, file), { recursive: true });
  }
  await buildPrograms(join(folder, 'dist'), more);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { bins: join(folder, 'bin'), remove: () => rm(folder, { recursive: true, force: true }) };
}
