/** Makes one Debian package: lays out its files, describes them and has dpkg-deb pack them. Root and debhelper are not needed. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  cp,
  glob,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { buildPrograms } from '../../build.ts';
import type { Architecture } from '../carried-packages.ts';
import type { DebianPackage } from './debian-packages.ts';
import { maintainerScripts } from './maintainer-scripts.ts';
import {
  type Build,
  changelogText,
  controlText,
  copyrightText,
  lintianOverrides,
  manualText,
} from './package-texts.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

export interface DebianBuild extends Build {
  /** As Node names it. */
  readonly processor: Architecture;
  /** The folder of the Node package. */
  readonly node: string;
  /** What dpkg-deb compresses with: `xz` is smallest, `gzip` quickest. */
  readonly compression: 'xz' | 'gzip';
}

/** Returns the file, in the folder `out`. `stage` is emptied before and removed after. */
export async function buildDebianPackage(
  pack: DebianPackage,
  build: DebianBuild,
  out: string,
): Promise<string> {
  const stage = join(out, `.${pack.name}`);
  await rm(stage, { recursive: true, force: true });
  await layOutProgram(pack, build, stage);
  await layOutDocuments(pack, build, stage);
  if (pack.service) await layOutService(pack.name, pack.service.config, stage);
  await setModes(stage);
  await describe(pack, build, stage);
  const file = join(out, `${pack.name}_${build.version}_${build.architecture}.deb`);
  const level = build.compression === 'gzip' ? ['-z1'] : [];
  await run('dpkg-deb', ['--root-owner-group', `-Z${build.compression}`, ...level, '--build', stage, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(Math.floor(build.date.getTime() / 1_000)) },
  });
  await rm(stage, { recursive: true });
  return file;
}

async function layOutProgram(pack: DebianPackage, build: DebianBuild, stage: string): Promise<void> {
  const home = join(stage, 'usr/lib', pack.name);
  await buildPrograms(join(home, 'dist'), { programs: pack.programs, architectures: [build.processor] });
  for (const file of ['launch.sh', 'start.js', pack.name])
    await copy(join(root, 'bin', file), join(home, 'bin', file));
  const { name, version, license, type } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  await write(join(home, 'package.json'), `${JSON.stringify({ name, version, license, type }, null, 2)}\n`);
  const runtime = join(home, 'node_modules', `node-linux-${build.processor}`);
  await copy(join(build.node, 'bin/node'), join(runtime, 'bin/node'));
  await mkdir(join(stage, 'usr/bin'), { recursive: true });
  await symlink(`../lib/${pack.name}/bin/${pack.name}`, join(stage, 'usr/bin', pack.name));
}

async function layOutDocuments(pack: DebianPackage, build: DebianBuild, stage: string): Promise<void> {
  const documents = join(stage, 'usr/share/doc', pack.name);
  const home = join(stage, 'usr/lib', pack.name);
  for (const file of ['README.md', 'SECURITY.md']) await copy(join(root, file), join(documents, file));
  for await (const file of glob('docs/**/*.md', { cwd: root }))
    await copy(join(root, file), join(documents, file));
  // Help and errors name documents as they lie in the project.
  await symlink(`../../share/doc/${pack.name}/docs`, join(home, 'docs'));
  await write(join(documents, 'copyright'), copyrightText());
  await rename(join(home, 'dist/THIRD-PARTY-LICENSES.txt'), join(documents, 'THIRD-PARTY-LICENSES.txt'));
  await copy(join(build.node, 'LICENSE'), join(documents, 'LICENSE.node'));
  await write(join(documents, 'changelog.gz'), gzipSync(changelogText(pack, build), { level: 9 }));
  const manual = manualText(pack, build, await helpTexts(pack));
  const page = `${pack.name}.${pack.manual}.gz`;
  await write(join(stage, `usr/share/man/man${pack.manual}`, page), gzipSync(manual, { level: 9 }));
  await write(join(stage, 'usr/share/lintian/overrides', pack.name), lintianOverrides(pack));
}

/** Of the program and of each of its commands. */
async function helpTexts(pack: DebianPackage): Promise<readonly string[]> {
  const help = async (...command: readonly string[]) =>
    (await run(join(root, 'bin', pack.name), [...command, '--help'])).stdout;
  const whole = await help();
  const commands = /^Commands:\n((?: .*\n?)+)/m.exec(whole)?.[1] ?? '';
  const names = [...commands.matchAll(/^ {2}([a-z]+)/gm)].flatMap(([, name]) =>
    name && name !== 'help' ? [name] : [],
  );
  return [whole, ...(await Promise.all(names.map((name) => help(name))))];
}

async function layOutService(name: string, config: string, stage: string): Promise<void> {
  const unit = `${name}.service`;
  await copy(join(root, 'deploy/systemd', unit), join(stage, 'lib/systemd/system', unit));
  await copy(join(root, 'deploy/config', config), join(stage, 'etc/modelfleet', config));
  await write(join(stage, 'DEBIAN/conffiles'), `/etc/modelfleet/${config}\n`);
  for (const [script, text] of Object.entries(maintainerScripts(name))) {
    await write(join(stage, 'DEBIAN', script), text);
  }
}

/** Whatever the modes of the checkout are: folders and programs 0755, files 0644. */
async function setModes(stage: string): Promise<void> {
  for (const entry of await readdir(stage, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const isRun =
      entry.isDirectory() ||
      /(^DEBIAN\/(postinst|prerm|postrm)|\/bin\/(node|modelfleet[a-z-]*))$/.test(relative(stage, path));
    await chmod(path, isRun ? 0o755 : 0o644);
  }
  await chmod(stage, 0o755);
}

async function describe(pack: DebianPackage, build: Build, stage: string): Promise<void> {
  const sums: string[] = [];
  let bytes = 0;
  const entries = await readdir(stage, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((one) => one.isFile())
    .map((one) => relative(stage, join(one.parentPath, one.name)));
  for (const path of paths.filter((one) => !one.startsWith('DEBIAN/')).sort()) {
    bytes += (await stat(join(stage, path))).size;
    sums.push(
      `${createHash('md5')
        .update(await readFile(join(stage, path)))
        .digest('hex')}  ${path}\n`,
    );
  }
  await write(join(stage, 'DEBIAN/md5sums'), sums.join(''));
  await write(join(stage, 'DEBIAN/control'), controlText(pack, build, Math.ceil(bytes / 1024)));
  await chmod(join(stage, 'DEBIAN'), 0o755);
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to);
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode: 0o644 });
}
