// Starts a modelfleet program on a Node that can run it: the one already running, or, when that one is older than
// the project's, the one the `node` package carries. A checkout runs its TypeScript as it is; an installed package,
// which has none, runs what `npm run build` made of it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import nodeModule, { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const NODE_MAJOR_MIN = 24;
// A quarter of a command's start is compiling. Node's default folder for it would be one that all users can write to.
const compiled = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'modelfleet', 'compiled');
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * Runs `program` (a path below the project without its ending, such as `hub/main`) with this process's arguments and
 * flags of V8 that work on an engine already running.
 */
export async function launch(program, v8Flags = []) {
  const source = join(root, `${program}.ts`);
  const entry = existsSync(source) ? source : join(root, 'dist', `${program}.js`);
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
    process.argv[1] = entry;
    for (const flag of v8Flags) setFlagsFromString(flag);
    nodeModule.enableCompileCache(compiled);
    await import(pathToFileURL(entry).href);
    return;
  }
  const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
  const child = spawn(node, [...v8Flags, entry, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { NODE_COMPILE_CACHE: compiled, ...process.env },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(
      `Cannot start ${node}: ${error.message}. Wanted: Node ${NODE_MAJOR_MIN} or newer, or the npm package "node".`,
    );
    process.exitCode = 70;
  });
  child.on('exit', (code, signal) => {
    if (signal) process.kill(process.pid, signal);
    else process.exitCode = code ?? 70;
  });
}
