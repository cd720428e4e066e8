/** Signals that a running program gets, sent to the real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { bins } from '../support/programs.ts';
import { tempFolder } from '../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

async function startHub(data: string): Promise<{ readonly child: ChildProcess; readonly log: () => string }> {
  const args = ['--data', data, '--http-port', '0', '--mqtt-port', '0', '--json'];
  const child = spawn(join(bins, 'modelfleet-hub'), args);
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await expect.poll(() => stdout, { timeout: 60_000 }).toContain('\n');
  return { child, log: () => stderr };
}

/** Local ports that a process listens on, as the system knows them. */
async function listeningPorts(pid: number): Promise<number[]> {
  const own = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))?.[1];
    if (inode !== undefined) own.add(inode);
  }
  const rows = await Promise.all(
    ['tcp', 'tcp6'].map(async (name) =>
      (await readFile(`/proc/${pid}/net/${name}`, 'utf8')).split('\n').slice(1),
    ),
  );
  const LISTEN = '0A';
  return rows
    .flat()
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode = '']) => state === LISTEN && own.has(inode))
    .map(([, local = '']) => Number.parseInt(local.split(':')[1]!, 16));
}

it('SIGUSR1 opens no debugger: the hub goes on, and listens where it did', async () => {
  const { child, log } = await startHub(await tempFolder());
  const before = await listeningPorts(child.pid!);
  expect(before).toHaveLength(2);
  child.kill('SIGUSR1');
  // Node opens the debugger on a thread of its own, and nothing says that it has not: within this time it would have.
  const until = Date.now() + 1_500;
  while (Date.now() < until) {
    expect(await listeningPorts(child.pid!)).toEqual(before);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(log()).not.toContain('Debugger');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
