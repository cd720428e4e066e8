/** Programs whose output, other than the log, nobody takes: they run, and they end when they are told to. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished, vi } from 'vitest';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

const root = join(import.meta.dirname, '../../..');
const ports = ['--http-port', '0', '--mqtt-port', '0'];

async function fifo(): Promise<string> {
  const path = join(await tempFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  return path;
}

/** The write end of a pipe that is full and that nobody reads. */
async function fullPipe(): Promise<number> {
  const path = await fifo();
  const filler = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(filler));
  try {
    for (;;) writeSync(filler, 'x'.repeat(4096));
  } catch {
    // Full.
  }
  return openSync(path, constants.O_RDWR);
}

/** The write end of a pipe whose reader has gone. */
async function closedPipe(): Promise<number> {
  const path = await fifo();
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  closeSync(reader);
  return writer;
}

type Sink = number | 'pipe';

function start(args: readonly string[], out: Sink, err: Sink, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const stdio: ['ignore', Sink, Sink] = ['ignore', out, err];
  const child = spawn(process.execPath, args, { stdio, env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  for (const sink of new Set([out, err])) if (typeof sink === 'number') closeSync(sink);
  return child;
}

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

const fullDisk = async () => openSync('/dev/full', 'w');

it.each([
  ['nobody reads standard output', fullPipe, undefined],
  ['nobody reads its output', fullPipe, fullPipe],
  ['its output is on a full disk', fullDisk, fullDisk],
  ['the reader of its output has gone', closedPipe, closedPipe],
] as const)('a hub answers and ends when %s', async (_, out, err) => {
  const data = await tempFolder();
  const port = await freePort();
  const args = [programEntry('hub/main'), '--data', data, '--http-port', port, '--mqtt-port', '0'];
  const child = start(args, await out(), err ? await err() : 'pipe');
  const ask = async (path: string) => {
    const agent = new Agent({ connect: { ca: await readFile(join(data, 'pki/ca.pem')) } });
    try {
      return (await request(`https://localhost:${port}${path}`, { dispatcher: agent })).statusCode;
    } finally {
      void agent.destroy();
    }
  };
  await expect.poll(() => ask('/readyz').catch(() => 0), { timeout: 60_000, interval: 200 }).toBe(200);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('a warning of Node that nobody reads keeps no hub from ending', async () => {
  const early = 'data:text/javascript,process.emitWarning("x");setInterval(()=>process.emitWarning("x"),500)';
  const args = [
    '--import',
    early,
    programEntry('hub/main'),
    '--data',
    await tempFolder(),
    ...ports,
    '--json',
  ];
  const child = start(args, 'pipe', await fullPipe());
  await once(child.stdout!, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('an agent and a hub that cannot start end although nobody reads why', async () => {
  const missing = await tempFolder();
  const agent = start([programEntry('agent/main'), 'run', '--data', missing], 'pipe', await fullPipe());
  expect(await once(agent, 'exit')).toEqual([1, null]);
  const hub = start(
    [programEntry('hub/main'), '--data', '/dev/null/hub', ...ports],
    'pipe',
    await fullPipe(),
  );
  expect((await once(hub, 'exit'))[0]).toBeGreaterThan(0);
});

it('the demo whose reader has gone ends its programs and leaves nothing behind', async () => {
  const folder = await tempFolder();
  const demo = start([join(root, 'demo/main.ts'), '--once'], await closedPipe(), 'pipe', { TMPDIR: folder });
  const [told, [code]] = await Promise.all([text(demo.stderr!), once(demo, 'exit')]);
  expect(told).not.toMatch(/^\s+at /m);
  expect(code).toBe(130);
  expect(await readdir(folder)).toEqual([]);
});
