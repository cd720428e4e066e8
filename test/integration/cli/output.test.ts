/** Commands whose output goes where it is not taken. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000 });

async function run(args: readonly string[], stdout: number, stderr: number | 'pipe' = 'pipe') {
  const [program, ...rest] = args;
  const main = programEntry(`${program}/main`);
  const child = spawn(process.execPath, [main, ...rest], { stdio: ['ignore', stdout, stderr] });
  const told = child.stderr ? text(child.stderr) : '';
  const [code] = await once(child, 'exit');
  return { code, stderr: await told };
}

/** The write end of a pipe whose reader has gone. */
async function closedPipe(): Promise<number> {
  const path = join(await tempFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  closeSync(reader);
  return writer;
}

const commands = [
  ['cli', '--help'],
  ['agent', '--help'],
  ['agent', 'doctor', '--data', '/nowhere'],
  ['hub', '--help'],
];

describe.each(commands)('%s %s', (...args) => {
  it('ends quietly when its reader has seen enough', async () => {
    expect(await run(args, await closedPipe())).toEqual({ code: 0, stderr: '' });
  });

  it('says that its output could not be written', async () => {
    const { code, stderr } = await run(args, openSync('/dev/full', 'w'));
    expect(stderr).toMatch(
      /^modelfleet\S*: Cannot write "standard output": the disk is full\..*\n {2}code: disk_full\n/,
    );
    expect(code).toBe(1);
  });

  it('has nothing to say where nobody listens', async () => {
    const { code } = await run([...args, '--nonsense'], await closedPipe(), await closedPipe());
    expect(code).toBe(args[1] === '--help' ? 0 : 2);
  });
});
