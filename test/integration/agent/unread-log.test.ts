/** An agent and a hub whose log nobody takes: they serve, answer, and end when they are told to. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAgent } from '../../../agent/agent.ts';
import type { AgentStatus } from '../../../agent/agent-status.ts';
import { agentOptionTable } from '../../../agent/config/options-schema.ts';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { askAgent } from '../../../agent/control/control-client.ts';
import { examine } from '../../../agent/health/doctor.ts';
import { resolveOptions } from '../../../platform/option-table.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { runCli } from '../../support/cli.ts';
import { programEntry } from '../../support/programs.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const program = (name: string) => programEntry(`${name}/main`);

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-log-'));
  const config = join(folder, 'login.json');
  const env = { MODELFLEET_PASSPHRASE: 'correct horse battery staple' };
  const login = ['login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256];
  expect((await runCli(config, login)).code).toBe(0);
  expect((await runCli(config, ['trust', 'init', '--keys', join(folder, 'keys')], { env })).code).toBe(0);
  await rm(folder, { recursive: true });
});
afterAll(() => hub?.stop());

async function enrolled(device: string): Promise<string> {
  const folder = await tempFolder();
  const { token } = (await hub.client.post('/join-tokens', { group: 'default', uses: 1, ttlMs: 60_000 })) as {
    token: string;
  };
  const facts = { agentVersion: '0', os: 't', arch: 't', cpus: 1, memoryBytes: 1, hostname: 't' };
  await enrol({ token, deviceId: device, folder, facts: { ...facts, providers: ['cpu'] } });
  return folder;
}

/** Something to log to that takes nothing. */
const sinks: Readonly<Record<string, () => Promise<number>>> = {
  'full disk': async () => openSync('/dev/full', 'w'),
  'pipe that is full and that nobody reads': async () => {
    const path = join(await tempFolder(), 'pipe');
    execFileSync('mkfifo', [path]);
    const filler = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(filler));
    try {
      for (;;) writeSync(filler, 'x'.repeat(4096));
    } catch {
      // Full.
    }
    return openSync(path, constants.O_RDWR);
  },
};

/** The write end of a pipe whose reader has gone. */
async function closedPipe(): Promise<number> {
  const path = join(await tempFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  closeSync(reader);
  return writer;
}

/** Starts a program and returns what it prints of its addresses. */
async function start(
  args: readonly string[],
  sink: number | 'pipe',
): Promise<[ChildProcess, { url: string }]> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', sink] });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (typeof sink === 'number') closeSync(sink);
  child.stderr?.pause();
  const [line] = await once(child.stdout!.setEncoding('utf8'), 'data');
  return [child, JSON.parse(String(line))];
}

async function endsInTime(child: ChildProcess): Promise<void> {
  const asked = Date.now();
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(Date.now() - asked).toBeLessThan(10_000);
}

describe.each(Object.keys(sinks))('a log on a %s', (name) => {
  it('holds up no agent', async () => {
    const data = await enrolled(`log-${Object.keys(sinks).indexOf(name)}`);
    const args = [program('agent'), 'run', '--data', data, '--port', '0', '--json', '--log-level', 'trace'];
    const [child, { url }] = await start(args, await sinks[name]!());
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    expect(((await askAgent(data, 'GET', '/status')) as AgentStatus).running).toBe(true);
    const lost = /^modelfleet_log_lines_lost_total (\d+)$/m.exec(
      await (await fetch(`${url}/metrics`)).text(),
    );
    expect(lost).not.toBeNull();
    const checks = await examine(data);
    // A pipe keeps what it may still take; a disk that is full never takes it.
    if (name === 'full disk') {
      expect(Number(lost![1])).toBeGreaterThan(0);
      expect(checks).toContainEqual(expect.objectContaining({ name: 'log_lost', verdict: 'warn' }));
    }
    await endsInTime(child);
  });

  it('holds up no hub', async () => {
    const ports = ['--http-port', '0', '--mqtt-port', '0', '--log-level', 'trace', '--json'];
    const args = [program('hub'), '--data', await tempFolder(), ...ports];
    const [child] = await start(args, await sinks[name]!());
    await endsInTime(child);
  });
});

it('an agent goes on when standard output and standard error are closed under it', async () => {
  const data = await enrolled('log-closed');
  const args = [program('agent'), 'run', '--data', data, '--port', '0', '--json', '--log-level', 'trace'];
  const [child, { url }] = await start(args, 'pipe');
  child.stdout!.destroy();
  child.stderr!.destroy();
  expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
  await endsInTime(child);
});

it.each([
  ['are on a full disk', async () => openSync('/dev/full', 'w')],
  ['have no reader any more', closedPipe],
])(
  'an agent whose standard output and standard error %s serves, says so to doctor, and ends',
  async (what, sink) => {
    const data = await enrolled(`log-both-${what.length}`);
    const [out, err] = [await sink(), await sink()];
    const child = spawn(process.execPath, [program('agent'), 'run', '--data', data, '--port', '0'], {
      stdio: ['ignore', out, err],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    for (const fd of [out, err]) closeSync(fd);
    // What it said at its start is lost, and was little.
    await expect
      .poll(() => examine(data), { timeout: 30_000, interval: 200 })
      .toContainEqual(expect.objectContaining({ name: 'log_lost', verdict: 'warn' }));
    const { url } = (await askAgent(data, 'GET', '/status')) as AgentStatus;
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    await endsInTime(child);
  },
);

it('lines that were lost are a condition of the device', async () => {
  const data = await enrolled('log-condition');
  let lost = 0;
  const agent = createAgent(
    { ...resolveOptions(agentOptionTable, []), data, port: 0 },
    {
      clock: systemClock,
      random: Math.random,
      logger: pino({ level: 'silent' }),
      version: '0',
      logLost: () => {
        lost += 1;
        return lost;
      },
    },
  );
  onTestFinished(() => agent.stop());
  await agent.start();
  await expect
    .poll(async () => ((await askAgent(data, 'GET', '/status')) as AgentStatus).reported.conditions)
    .toMatchObject([{ code: 'log_lost', text: expect.stringContaining('Lines lost since the start') }]);
});
