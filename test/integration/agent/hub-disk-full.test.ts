/** A whole agent while the disk of its hub is full: it stays, waits, says why, and everything it has to say is stored once. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import BetterSqlite3 from 'better-sqlite3';
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createAgent } from '../../../agent/agent.ts';
import type { AgentStatus } from '../../../agent/agent-status.ts';
import { statusLines } from '../../../agent/commands/status-command.ts';
import { agentOptionTable } from '../../../agent/config/options-schema.ts';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { askAgent } from '../../../agent/control/control-client.ts';
import { examine } from '../../../agent/health/doctor.ts';
import { VerifiedVersions } from '../../../agent/trust/verified-versions.ts';
import { resolveOptions } from '../../../platform/option-table.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { runCli } from '../../support/cli.ts';
import { RouteCaller } from '../../support/every-route.ts';
import { linearModel } from '../../support/models.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { canMount, fillDisk, smallDisk } from '../../support/small-disk.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });
const pollTimeout = { timeout: 60_000, interval: 50 };

/** A hub on a small disk with one version of `linear`, and a device that is enrolled; the command line is logged in. */
async function world() {
  const folder = await tempFolder();
  const disk = await smallDisk(16 * 1024);
  const hub = await RunningHub.start({ data: join(disk, 'hub') });
  onTestFinished(() => hub.stop());
  const cli = async (...args: string[]) => {
    const env = { MODELFLEET_PASSPHRASE: 'correct horse battery staple' };
    const result = await runCli(join(folder, 'login.json'), [...args, '--json'], { env });
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).toBe(0);
    return JSON.parse(result.stdout) as Record<string, string>;
  };
  await cli('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);
  await cli('trust', 'init', '--keys', join(folder, 'keys'));
  const model = join(folder, 'model');
  await mkdir(model);
  await writeFile(join(model, 'model.onnx'), linearModel());
  await writeFile(join(model, 'sample.csv'), 'a,b\n1,2\n3,4\n');
  await writeFile(
    join(model, 'model.yaml'),
    'model: linear\nversion: 1.0.0\nrelease: 1\nfile: model.onnx\nsample: { file: sample.csv, columns: { x: [a, b] } }\ngolden: { rows: 2 }\n',
  );
  await cli('models', 'publish', model, '--key', join(folder, 'keys/publisher.pem'));
  const { token } = await cli('devices', 'token', 'create');
  const facts = { agentVersion: '0', os: 't', arch: 't', cpus: 1, memoryBytes: 1, hostname: 't' };
  const data = join(folder, 'agent');
  await enrol({ token: token!, deviceId: 'sensor-1', folder: data, facts: { ...facts, providers: ['cpu'] } });
  // A journal of the database that begins anew has no space of its own left over.
  await hub.restart();
  return { hub, disk, cli, data };
}

async function startAgent(data: string, lines: string[]) {
  const write = (line: Buffer, _encoding: string, done: () => void) => {
    lines.push(String(line));
    done();
  };
  const options = { ...resolveOptions(agentOptionTable, []), data, port: 0, heartbeatMs: 500, windowMs: 500 };
  const logger = pino({ level: 'info' }, new Writable({ write }));
  const agent = createAgent(options, { clock: systemClock, random: Math.random, logger, version: '0' });
  onTestFinished(() => agent.stop());
  const { url } = await agent.start();
  return async () => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];
    const body = JSON.stringify({ inputs });
    return (await fetch(`${url}/v2/models/linear/infer`, { method: 'POST', body })).status;
  };
}

it.skipIf(!canMount)('an agent waits on its connection while the disk of the hub is full', async () => {
  const { hub, disk, cli, data } = await world();
  const lines: string[] = [];
  const infer = await startAgent(data, lines);
  const status = async () => (await askAgent(data, 'GET', '/status')) as AgentStatus;
  const state = async () => (await status()).reported.models[0]?.update?.state;
  const options = ['--model', 'linear', '--version', '1.0.0', '--phases', '100%', '--soak', '0s'];
  await cli('rollout', 'create', ...options, '--trial', '2s', '--trial-min-requests', '0');
  await expect.poll(state, pollTimeout).toBe('trial');

  const free = await fillDisk(disk);
  const routes = new RouteCaller(hub, hub.adminToken);
  await expect.poll(async () => (await routes.newToken()).code, pollTimeout).toBe('disk_full');
  const trustFiles = vi.spyOn(VerifiedVersions.prototype, 'onTrust');
  const losses = vi.spyOn(VerifiedVersions.prototype, 'onDisconnected');
  onTestFinished(() => void vi.restoreAllMocks());
  const requests = 20;
  for (let n = 0; n < requests; n += 1) expect(await infer()).toBe(200);
  await expect.poll(state, pollTimeout).toBe('committed');
  await expect.poll(async () => (await status()).hubBusySince, pollTimeout).toBeDefined();
  const held = await status();
  expect(held).toMatchObject({ connected: true, outbox: { dropped: { events: 0, telemetry: 0 } } });
  expect(held.outbox.size).toBeGreaterThan(0);
  expect(statusLines(held).join('\n')).toContain('the hub cannot store them now');
  expect(await examine(data)).toContainEqual(expect.objectContaining({ name: 'hub busy', verdict: 'warn' }));
  // It answers all the while.
  expect(await infer()).toBe(200);

  await free();
  await expect.poll(async () => (await status()).outbox.size, pollTimeout).toBe(0);
  const counted = async () => {
    const query = '/telemetry?model=linear&version=1.0.0&since=1h';
    const { versions } = (await hub.client.get(query)) as { versions: { requests: { ok: number } }[] };
    return versions[0]?.requests.ok;
  };
  await expect.poll(counted, pollTimeout).toBe(requests + 1);
  await expect
    .poll(async () => JSON.stringify(await hub.client.get('/devices/sensor-1')), pollTimeout)
    .toContain('"state":"committed"');
  expect((await routes.newToken()).status).toBe(201);
  const database = new BetterSqlite3(join(hub.data, 'hub.db'), { readonly: true });
  const events = database.prepare('select state from device_event order by rowid').pluck().all();
  database.close();
  expect(events).toEqual([
    ...['checking', 'downloading', 'verifying', 'staged'],
    ...['qualifying', 'activating', 'trial', 'committed'],
  ]);
  // Over the same connection, and nothing that the hub had said was asked for again.
  expect(losses).not.toHaveBeenCalled();
  expect(trustFiles).not.toHaveBeenCalled();
  expect(lines.filter((line) => line.includes('the hub cannot store messages at present'))).toHaveLength(1);
});
