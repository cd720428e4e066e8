/**
 * `npm run build`: makes `dist/`, what an installed package runs. Each program becomes one entry that loads only what
 * its commands ask for; what programs share are chunks. Bundled, because an agent of a thousand small modules starts
 * slower and keeps tens of megabytes for them.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

const root = import.meta.dirname;

/** Native modules, and what serves files of its own: they stay packages beside ours, named in `dependencies`. */
const external = ['onnxruntime-node', 'better-sqlite3', '@fastify/swagger-ui'];

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

/**
 * Replaces `outFolder`. Names stay as they are written, so that stack traces in logs can be read. `more` are files beside the
 * programs that a process can be started with.
 */
export async function buildPrograms(outFolder: string, more: readonly string[] = []): Promise<void> {
  await rm(outFolder, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [
      ...['agent', 'cli', 'hub', 'runner'].map((program) => `${program}/main.ts`),
      'hub/data-folder/integrity-main.ts',
      ...more,
    ],
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
    external,
    plugins: [leanHttp],
    metafile: true,
    // Packages written as CommonJS ask for Node's modules with `require`.
    banner: {
      js: `import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);`,
    },
  });
  refuseLateCommonJs(metafile);
  await writeFile(join(outFolder, 'THIRD-PARTY-LICENSES.txt'), await licenseTexts(metafile));
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

/** The licence of each package whose code is in the bundle; theirs ask to be handed on with it. */
async function licenseTexts({ inputs }: Metafile): Promise<string> {
  const folders = Object.keys(inputs).flatMap(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
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
