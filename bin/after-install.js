// Runs once after npm has installed modelfleet, on whatever Node npm runs on; where npm does not run it, a person may.
// Deletes what this machine has no use for: the
// binaries of other processors, and the packaged Node where the machine's own is new enough. It touches nothing outside
// this package's folder. Where install scripts are switched off everything works as well, and takes more disk.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** @param {string} path */
const remove = (path) => rmSync(join(root, path), { recursive: true, force: true });

/** @param {string} folder @param {(name: string) => boolean} isOther */
function removeOthers(folder, isOther) {
  if (!existsSync(join(root, folder))) return;
  for (const name of readdirSync(join(root, folder))) if (isOther(name)) remove(join(folder, name));
}

// A checkout keeps everything: packages are built from it.
if (!existsSync(join(root, 'build.ts'))) {
  removeOthers('dist/node_modules/onnxruntime-node/bin/napi-v6/linux', (name) => name !== process.arch);
  removeOthers('dist/node_modules/better-sqlite3/prebuilds', (name) => name !== `linux-${process.arch}.node`);
  // Not `process.version` where npm runs this: it puts the packaged Node first in the path.
  const agent = process.env.npm_config_user_agent ?? `node/${process.version}`;
  const npmRunsOn = /\bnode\/v(\d+)/.exec(agent)?.[1] ?? '0';
  const packaged = join('node_modules', `node-linux-${process.arch}`);
  if (Number(npmRunsOn) >= NODE_MAJOR_MIN) {
    remove(packaged);
    remove('node_modules/.bin/node');
  } else if (isAbove(packaged)) {
    for (const name of ['include', 'share', 'CHANGELOG.md']) remove(join(packaged, name));
  } else {
    // npm says nothing of an optional package that it could not fetch.
    console.error(
      `Cannot install modelfleet: it needs Node ${NODE_MAJOR_MIN} or newer, npm runs on Node ${npmRunsOn}, and npm could not fetch the package "node-linux-${process.arch}". Install it again when the registry can be reached, or with a newer Node.`,
    );
    process.exitCode = 1;
  }
}

/** Whether `path` is in this package's folder or one above it, where npm puts what packages share. @param {string} path */
function isAbove(path, folder = root) {
  if (existsSync(join(folder, path))) return true;
  return dirname(folder) !== folder && isAbove(path, dirname(folder));
}
