/** The programs as they are started: the process that was started is the program, on whatever Node the machine has. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, readlink, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SmallFleet } from '../support/small-fleet.ts';
import { tempFolder } from '../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const run = promisify(execFile);
const bins = fileURLToPath(new URL('../../bin/', import.meta.url));
const packagedNode = fileURLToPath(
  new URL(`../../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url),
);

/** A folder of programs with nothing but a `node` that says it is of this version and prints what it was told. */
async function machineWith(version: string | undefined): Promise<string> {
  const path = join(await tempFolder(), 'path');
  await mkdir(path);
  if (version === undefined) return path;
  const says = `#!/bin/sh\n[ "$1" = --version ] && echo ${version} || echo "$@"\n`;
  await writeFile(join(path, 'node'), says, { mode: 0o755 });
  return path;
}

/** The programs where no package of Node lies beside or above them. */
async function aloneBins(): Promise<string> {
  const folder = join(await tempFolder(), 'bin');
  await cp(bins, folder, { recursive: true });
  return folder;
}

const env = (path: string) => ({ PATH: `${path}:/usr/bin:/bin` });

describe('a program', () => {
  it('starts through a link, from another folder, on the Node of the package, whatever the machine has', async () => {
    const folder = await tempFolder();
    await symlink(join(bins, 'modelfleet'), join(folder, 'modelfleet'));
    const old = await machineWith('v18.0.0');
    const { stdout } = await run('./modelfleet', ['--version'], { cwd: folder, env: env(old) });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('takes the Node of the machine where the package has none, with every argument', async () => {
    const alone = await aloneBins();
    const { stdout } = await run(join(alone, 'modelfleet-agent'), ['run', '--data', 'two words'], {
      env: env(await machineWith('v24.1.0')),
    });
    expect(stdout).toBe(`--disable-sigusr1 ${join(alone, 'start.js')} agent/main run --data two words\n`);
  });

  it('takes the Node beside the command, where npm puts commands, before the one in the path', async () => {
    const commands = await machineWith('v25.1.0');
    const alone = await aloneBins();
    await symlink(join(alone, 'modelfleet'), join(commands, 'modelfleet'));
    const says = '#!/bin/sh\n[ "$1" = --version ] && echo v25.1.0 || echo beside "$@"\n';
    await writeFile(join(commands, 'node'), says, { mode: 0o755 });
    const { stdout } = await run(join(commands, 'modelfleet'), [], {
      env: env(await machineWith('v24.1.0')),
    });
    expect(stdout).toBe(`beside --disable-sigusr1 ${join(alone, 'start.js')} cli/main\n`);
  });

  it('has the memory an agent needs no more given back, unless its environment says otherwise', async () => {
    const bin = join(await aloneBins(), 'modelfleet-agent');
    const machine = await machineWith('v24.1.0');
    const says =
      '#!/bin/sh\n[ "$1" = --version ] && echo v24.1.0 || echo "$MALLOC_ARENA_MAX $MALLOC_TRIM_THRESHOLD_"\n';
    await writeFile(join(machine, 'node'), says, { mode: 0o755 });
    expect((await run(bin, [], { env: env(machine) })).stdout).toBe('1 65536\n');
    const own = { ...env(machine), MALLOC_ARENA_MAX: '4' };
    expect((await run(bin, [], { env: own })).stdout).toBe('4 65536\n');
  });

  it.each([['v22.9.0'], ['nonsense'], [undefined]])(
    'says what is wanted, and exits with 70, where there is only Node %s',
    async (version) => {
      const found = await machineWith(version);
      // The tools a shell script needs, and no Node.
      for (const tool of ['readlink', 'sh']) await symlink(`/bin/${tool}`, join(found, tool));
      const failed = run(join(await aloneBins(), 'modelfleet'), ['--version'], { env: { PATH: found } });
      await expect(failed).rejects.toMatchObject({
        code: 70,
        stderr: expect.stringMatching(/^Cannot start: found Node .*Install Node 24 or newer/),
      });
    },
  );

  it('keeps its compiled code in the folder of its user, not where everybody writes', async () => {
    const home = await tempFolder();
    const tmp = await tempFolder();
    const cache = { HOME: home, TMPDIR: tmp };
    await run(join(bins, 'modelfleet'), ['--version'], { env: { ...env('/usr/bin'), ...cache } });
    expect(await readdir(join(home, '.cache/modelfleet'))).toEqual(['compiled']);
    expect(await readdir(tmp)).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('a running agent', () => {
  let small: SmallFleet;
  const device = 'started-1';
  beforeAll(async () => {
    small = await SmallFleet.start([device]);
  });
  afterAll(() => small?.stop());

  it('is the process that was started', async () => {
    const pid = small.fleet.agentPid(device);
    expect(await readlink(`/proc/${pid}/exe`)).toBe(await realpath(packagedNode));
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).toContain('agent/main');
  });

  it('leaves nothing that holds its folder when it is killed', async () => {
    await small.killAgent(device);
    await small.fleet.startAgent(device);
    expect((await small.status(device)).running).toBe(true);
  });

  it('receives the signal that asks it to stop, and its exit code arrives', async () => {
    const data = small.fleet.agentData(device);
    await small.fleet.stopAgent(device, 'SIGTERM');
    const program = small.programs.start(
      'modelfleet-agent',
      ['run', '--data', data, '--port', '0', '--json'],
      'again',
    );
    await program.ready();
    program.kill('SIGTERM');
    expect(await program.exited).toBe(0);
    expect((await small.programs.run('modelfleet-agent', ['rollback', '--data', data])).code).toBe(1);
    expect((await small.programs.run('modelfleet-agent', ['nonsense'])).code).toBe(2);
  });
});
