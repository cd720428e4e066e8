/**
 * The packages that a build carries beside its bundle, because they hold native code or files of their own. They are copied
 * without install scripts, sources and the binaries of platforms that modelfleet does not run on: `onnxruntime-node` as
 * published is 288 MB, and its install script downloads CUDA libraries.
 */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/** What cannot be bundled. Each is an `external` of the bundler. */
export const carriedPackages = ['onnxruntime-node', 'better-sqlite3', '@fastify/swagger-ui'] as const;

/** The processors, as Node names them, whose binaries are carried. */
export const architectures = ['x64', 'arm64'] as const;
export type Architecture = (typeof architectures)[number];

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** What is left of a package where not all of its files are needed. */
interface Selection {
  keeps(path: string, architecture: readonly Architecture[]): boolean;
  /** Packages it needs when it runs; its `dependencies` by default. */
  readonly needs?: readonly string[];
}

const selections: Readonly<Record<string, Selection>> = {
  'onnxruntime-node': {
    keeps: (path, kept) =>
      /^dist\//.test(path) || kept.some((one) => path.startsWith(`bin/napi-v6/linux/${one}/`)),
    needs: ['onnxruntime-common'],
  },
  'onnxruntime-common': { keeps: (path) => /^dist\//.test(path) },
  'better-sqlite3': {
    keeps: (path, kept) =>
      /^lib\/(?!.*-(x64|arm64)\.js$)/.test(path) ||
      kept.some((one) => path === `prebuilds/linux-${one}.node`),
    needs: [],
  },
};

/** Fields of a package file that Node reads when the package is loaded, and those that say what it is. */
const fieldsKept = ['name', 'version', 'license', 'type', 'main', 'exports', 'imports'] as const;
const LICENCE = /^(licen[cs]e|copying|notice)[^/]*$/i;
const NOT_RUN = [
  /(^|\/)(tests?|examples?|e2e|benchmarks?|\.[^/]*)\//,
  /\.(d\.[cm]?ts|ts|map|md)$/,
  /(^|\/)(test\.js|tsconfig\.json|[^/]*\.config\.[cm]?js|bin\.mjs|cli\.js|\.[^/]*)$/,
];

export interface CarriedPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** Where it was copied from. */
  readonly from: string;
}

export interface CarryProps {
  /** The folder whose `node_modules` has the packages. */
  readonly root: string;
  /** Receives a `node_modules`. */
  readonly to: string;
  readonly names: readonly string[];
  readonly architectures?: readonly Architecture[];
}

/** Copies the packages and all that they need. Returns each once. */
export async function carryPackages(props: CarryProps): Promise<readonly CarriedPackage[]> {
  const carried = new Map<string, CarriedPackage>();
  for (const name of props.names) await carry(name, props.root, props, carried);
  return [...carried.values()];
}

async function carry(
  name: string,
  asking: string,
  props: CarryProps,
  carried: Map<string, CarriedPackage>,
): Promise<void> {
  const { root, to, architectures: kept = architectures } = props;
  const { from, file } = await find(name, asking, root);
  const known = carried.get(name);
  if (known?.version === file.version) return;
  if (known) {
    throw new Error(`Cannot carry two versions of "${name}": ${known.version} and ${file.version}.`);
  }
  carried.set(name, { name, version: file.version, license: file.license, from });
  const selection = Object.hasOwn(selections, name) ? selections[name] : undefined;
  const target = join(to, 'node_modules', name);
  await mkdir(target, { recursive: true });
  const isKept = (path: string) =>
    LICENCE.test(path) || (!NOT_RUN.some((one) => one.test(path)) && (selection?.keeps(path, kept) ?? true));
  for (const path of await filesOf(from)) {
    if (path !== 'package.json' && isKept(path)) await cp(join(from, path), join(target, path));
  }
  const fields = Object.fromEntries(
    Object.entries(file).filter(([key]) => fieldsKept.includes(key as never)),
  );
  await writeFile(join(target, 'package.json'), `${JSON.stringify(fields, null, 2)}\n`);
  for (const needed of selection?.needs ?? Object.keys(file.dependencies ?? {})) {
    await carry(needed, from, props, carried);
  }
}

/** As Node looks for a package: in the folder that asks, then in those above it, up to `root`. */
async function find(
  name: string,
  asking: string,
  root: string,
): Promise<{ from: string; file: PackageFile }> {
  for (let folder = asking; ; folder = dirname(folder)) {
    const from = join(folder, 'node_modules', name);
    const text = await readFile(join(from, 'package.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) return { from, file: JSON.parse(text) as PackageFile };
    if (folder === root) throw new Error(`Cannot carry "${name}": it is not installed. Run "npm ci".`);
  }
}

/** Every file of a package without the packages inside it, as paths below it. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.startsWith('node_modules/'))
    .sort();
}
