// Loads a modelfleet program in the Node that runs: `start.js PROGRAM ARGUMENTS…`, where PROGRAM is a path below the
// project without its ending, such as `hub/main`. A checkout runs its TypeScript as it is; an installed package, which
// has none, runs what `npm run build` made of it.
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

// A device has little memory. The young generation stays at its first size, and of V8's optimizing compilers only the
// one for hot code runs, sooner than it would. Some 17 MB less than with V8's own settings; a request takes as long once the
// first thousands have been answered, and up to half as long again before. Set here and not on the command line: V8 takes
// the code that Node brings compiled only when it was started with the flags that code was compiled with, 12 MB again.
const flags = {
  'agent/main': ['--semi-space-growth-factor=1', '--no-maglev', '--invocation-count-for-turbofan=1500'],
};
// A quarter of a command's start is compiling. Node's default folder for it would be one that all users can write to.
const caches = process.env.XDG_CACHE_HOME || cachesOfUser();

// SIGHUP means "reload" to a daemon, and would end one whose code is still being read: from here on it is noted, and
// platform/reload.ts handles it. Other commands end, as those of a terminal that closes do.
const daemons = {
  'hub/main': (args) => !['backup', 'restore', 'compact', 'completion'].some((name) => args.includes(name)),
  'agent/main': ([command]) => command === 'run',
};
const hungUp = Symbol.for('modelfleet.hungUp');

const [program] = process.argv.splice(2, 1);
if (daemons[program]?.(process.argv.slice(2))) {
  process.on('SIGHUP', () => {
    globalThis[hungUp] = true;
  });
}
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, `${program}.ts`);
const entry = existsSync(source) ? source : join(root, 'dist', `${program}.js`);
process.argv[1] = entry;
for (const flag of flags[program] ?? []) setFlagsFromString(flag);
if (caches) nodeModule.enableCompileCache(join(caches, 'modelfleet', 'compiled'));
await import(pathToFileURL(entry).href);

function cachesOfUser() {
  try {
    return join(homedir(), '.cache');
  } catch {
    // HOME is not set, and the user id is not in the list of users: everything is compiled again.
    return undefined;
  }
}
