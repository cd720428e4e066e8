/**
 * `npm run build`: makes `dist/`, what an installed package runs. Each program becomes one entry that loads only what
 * its commands ask for; what programs share are chunks. Bundled, because an agent of a thousand small modules starts
 * slower and keeps tens of megabytes for them.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import {
  type Architecture,
  type CarriedPackage,
  carriedPackages,
  carryPackages,
} from './packaging/carried-packages.ts';

const root = import.meta.dirname;

/**
 * `import 'node:http'` reads each of its exports, and some of them load a whole second HTTP client; `require` does not.
 * Worth 3 MB of every program that serves HTTP.
 */
const leanHttp: Plugin = {
  name: 'lean-http',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?https?$/ }, ({ kind, path }) =>
      kind === 'import-statement' ? { path, namespace: 'required' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
    }));
  },
};

export interface BuildOptions {
  /** The programs to build; all by default. */
  readonly programs?: readonly string[];
  /** Files beside the programs that a process can be started with. */
  readonly more?: readonly string[];
  /** Whose binaries are carried; those of all that modelfleet runs on by default. */
  readonly architectures?: readonly Architecture[];
}

/** A path below the project without its ending. */
const allPrograms = ['agent/main', 'cli/main', 'hub/main', 'runner/main', 'hub/data-folder/integrity-main'];

/** Replaces `outFolder`. Names stay as they are written, so that stack traces in logs can be read. */
export async function buildPrograms(
  outFolder: string,
  { programs = allPrograms, more = [], architectures }: BuildOptions = {},
): Promise<void> {
  await rm(outFolder, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...programs.map((program) => `${program}.ts`), ...more],
    outbase: root,
    outdir: outFolder,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
    external: [...carriedPackages],
    plugins: [leanHttp],
    metafile: true,
    // Packages written as CommonJS ask for Node's modules with `require`.
    banner: {
      js: `import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);`,
    },
  });
  refuseLateCommonJs(metafile);
  const beside = await carryPackages({
    root,
    to: outFolder,
    names: carriedPackages.filter((name) => asksFor(metafile, name)),
    ...(architectures ? { architectures } : {}),
  });
  await writeFile(join(outFolder, 'THIRD-PARTY-LICENSES.txt'), await licenseTexts(metafile, beside));
}

/** Whether the programs that were built load a package that is not in the bundle. */
function asksFor({ outputs }: Metafile, name: string): boolean {
  return Object.values(outputs).some(({ imports }) =>
    imports.some(({ external, path }) => external && path === name),
  );
}

/** A package written as CommonJS that is imported with `await import()` has only a default export once it is bundled. */
function refuseLateCommonJs({ inputs }: Metafile): void {
  for (const [file, { imports }] of Object.entries(inputs)) {
    const late = imports.find(
      ({ kind, path }) => kind === 'dynamic-import' && inputs[path]?.format === 'cjs',
    );
    if (late) {
      throw new Error(
        `Cannot bundle ${file}: it imports "${late.path}", which is CommonJS, with "await import()".`,
      );
    }
  }
}

/** The licence of each package that is in the bundle or beside it; the licences ask to be handed on with the code. */
async function licenseTexts({ inputs }: Metafile, beside: readonly CarriedPackage[]): Promise<string> {
  const bundled = Object.keys(inputs).flatMap(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  const folders = [...bundled, ...beside.map(({ from }) => relative(root, from))];
  const texts: string[] = [];
  for (const folder of [...new Set(folders)].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const file = (await readdir(join(root, folder))).find((one) => /^(licen[cs]e|copying)/i.test(one));
    const text = file ? await readFile(join(root, folder, file), 'utf8') : '';
    texts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return texts.join(`\n${'-'.repeat(80)}\n`);
}

if (import.meta.main) await buildPrograms(join(root, 'dist'));
