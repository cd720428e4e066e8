/** A SIGHUP while a program's code is still being read: the launcher itself, with a program that sends it one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { bins } from '../support/programs.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = join(import.meta.dirname, '../..');

/** Runs `program`, whose first statement is a SIGHUP to itself; it then says whether its reload was asked for. */
async function hungUp(program: string, args: readonly string[]) {
  const folder = await tempFolder();
  const main = join(folder, 'dist', `${program}.js`);
  await mkdir(join(folder, 'bin'));
  await mkdir(dirname(main), { recursive: true });
  await copyFile(join(bins, 'start.js'), join(folder, 'bin/start.js'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const lines = [
    "process.kill(process.pid, 'SIGHUP');",
    // A signal is handled in a later turn of the event loop.
    'await new Promise((resolve) => setTimeout(resolve, 200));',
    `const { HangUps } = await import(${JSON.stringify(join(root, 'platform/reload.ts'))});`,
    "new HangUps().handle(async () => console.log('reloads'));",
    'await new Promise((resolve) => setImmediate(resolve));',
    'process.exit(0);',
  ];
  await writeFile(main, lines.join('\n'));
  const child = spawn(process.execPath, [join(folder, 'bin/start.js'), program, ...args]);
  const [stdout, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return { stdout, code, signal };
}

it.each([
  ['hub/main', ['--data', 'x']],
  ['agent/main', ['run']],
])(
  'a SIGHUP before the code of %s runs does not end it, and is handled once it is there',
  async (program, args) => {
    expect(await hungUp(program, args)).toEqual({ stdout: 'reloads\n', code: 0, signal: null });
  },
);

it.each([
  ['hub/main', ['backup', 'x']],
  ['agent/main', ['status']],
])('a SIGHUP ends a command of %s that is no daemon', async (program, args) => {
  expect(await hungUp(program, args)).toEqual({ stdout: '', code: null, signal: 'SIGHUP' });
});
