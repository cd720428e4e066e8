/** One agent as `createAgent` composes it, against a whole hub: real TLS, real trust, real runners. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Agent as HttpAgent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Agent, createAgent } from '../../../agent/agent.ts';
import type { AgentStatus } from '../../../agent/agent-status.ts';
import { type AgentOptions, agentOptionTable } from '../../../agent/config/options-schema.ts';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { askAgent } from '../../../agent/control/control-client.ts';
import { readRestingStatus } from '../../../agent/control/resting-status.ts';
import { examine } from '../../../agent/health/doctor.ts';
import { resolveOptions } from '../../../platform/option-table.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { runCli } from '../../support/cli.ts';
import { linearModel } from '../../support/models.ts';
import { checkMetrics, hasPromtool, sampleOf } from '../../support/promtool.ts';
import { RunningHub } from '../../support/running-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const pollTimeout = { timeout: 60_000, interval: 100 };

let hub: RunningHub;
let folder: string;
let agent: Agent;
let url: string;
let cli: (...args: string[]) => Promise<Record<string, unknown>>;

const data = () => join(folder, 'agent');

async function startAgent(more: Partial<AgentOptions> = {}): Promise<void> {
  const options = {
    ...resolveOptions(agentOptionTable, []),
    data: data(),
    port: 0,
    heartbeatMs: 500,
    windowMs: 500,
    ...more,
  };
  agent = createAgent(options, {
    clock: systemClock,
    random: Math.random,
    logger: pino({ level: process.env['TEST_LOG'] ?? 'silent' }, pino.destination(2)),
    version: '0.0.0',
  });
  ({ url } = await agent.start());
}

async function publish(version: string, weight: number): Promise<void> {
  const path = join(folder, version);
  await mkdir(path);
  await writeFile(join(path, 'model.onnx'), linearModel({ weights: [weight, weight] }));
  await writeFile(join(path, 'sample.csv'), 'a,b\n1,2\n3,4\n5,6\n7,8\n');
  const lines = ['model: linear', `version: ${version}`, `release: ${version[0]}`, 'file: model.onnx'];
  lines.push('sample: { file: sample.csv, columns: { x: [a, b] } }', 'golden: { rows: 2 }');
  await writeFile(join(path, 'model.yaml'), lines.join('\n'));
  await cli('models', 'publish', path, '--key', join(folder, 'keys/publisher.pem'));
}

async function rollOut(version: string): Promise<string> {
  const { id } = (await cli(
    'rollout',
    'create',
    '--model',
    'linear',
    '--version',
    version,
    '--phases',
    '100',
    '--soak',
    '1s',
    '--trial',
    '1s',
    '--trial-min-requests',
    '0',
  )) as { id: string };
  return id;
}

/** Until the rollout is over, no other of the model may begin. */
async function expectCompleted(rollout: string): Promise<void> {
  const ended = async () => ((await hub.client.get(`/rollouts/${rollout}`)) as { status: string }).status;
  await expect.poll(ended, pollTimeout).toBe('completed');
}

const status = async () => (await askAgent(data(), 'GET', '/status')) as AgentStatus;
const model = async () => (await status()).reported.models[0];

const pageOf = async (of: string) => (await fetch(of)).text();

async function hubPage(): Promise<string> {
  const { body } = await request(`${hub.url}/metrics`, {
    headers: { authorization: `Bearer ${hub.adminToken}` },
    dispatcher: new HttpAgent({ connect: { ca: hub.ca } }),
  });
  return body.text();
}

async function infer(): Promise<{ model_version: string; data: number }> {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];
  const response = await fetch(`${url}/v2/models/linear/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs }),
  });
  const answer = (await response.json()) as { model_version: string; outputs: { data: number[] }[] };
  return { model_version: answer.model_version, data: answer.outputs[0]!.data[0]! };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-agent-'));
  hub = await RunningHub.start();
  const config = join(folder, 'login.json');
  cli = async (...args) => {
    const env = { MODELFLEET_PASSPHRASE: 'correct horse battery staple' };
    const result = await runCli(config, [...args, '--json'], { env });
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).toBe(0);
    return JSON.parse(result.stdout);
  };
  await cli('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);
  await cli('trust', 'init', '--keys', join(folder, 'keys'));
  const { token } = (await cli('devices', 'token', 'create')) as { token: string };
  const facts = {
    agentVersion: '0',
    os: 't',
    arch: 't',
    cpus: 1,
    memoryBytes: 1,
    hostname: 't',
    providers: ['cpu'],
  };
  await enrol({ token, deviceId: 'sensor-1', folder: data(), facts });
  await startAgent();
});
afterAll(async () => {
  await agent?.stop();
  await hub?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('an agent with all its parts', () => {
  it('fetches, verifies, qualifies and serves what the hub rolls out', async () => {
    await publish('1.0.0', 1);
    const id = await rollOut('1.0.0');
    await expect.poll(async () => (await model())?.update?.state, pollTimeout).toBe('committed');
    expect(await infer()).toEqual({ model_version: '1.0.0', data: 3 });
    expect(await model()).toMatchObject({ active: { version: '1.0.0' }, provider: 'cpu' });
    await expectCompleted(id);
  });

  it.skipIf(!hasPromtool)('and its hub show figures that promtool has nothing against', async () => {
    expect(checkMetrics(await pageOf(`${url}/metrics`))).toBe('');
    expect(checkMetrics(await hubPage())).toBe('');
  });

  it('shows its connection, its update and when what it trusts expires', async () => {
    const page = await pageOf(`${url}/metrics`);
    expect(sampleOf(page, 'modelfleet_hub_connected')).toBe(1);
    expect(sampleOf(page, 'modelfleet_hub_connections_total')).toBeGreaterThan(0);
    const update = { model: 'linear', version: '1.0.0', state: 'committed' };
    expect(sampleOf(page, 'modelfleet_update_state', update)).toBe(1);
    const committed = { model: 'linear', state: 'committed' };
    expect(sampleOf(page, 'modelfleet_update_transitions_total', committed)).toBe(1);
    expect(sampleOf(page, 'modelfleet_condition', { code: 'not_connected' })).toBe(0);
    const inDays = (ms: number) => Math.round((ms * 1_000 - Date.now()) / 86_400_000);
    expect(inDays(sampleOf(page, 'modelfleet_certificate_expiry_timestamp_seconds')!)).toBe(730);
    expect(inDays(sampleOf(page, 'modelfleet_trust_expiry_timestamp_seconds', { role: 'root' })!)).toBe(365);
    expect(sampleOf(page, 'process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });

  it('is described with its hub, figure by figure, in docs/METRICS.md', async () => {
    const text = await readFile('docs/METRICS.md', 'utf8');
    const [hubPart, agentPart] = [
      text.slice(0, text.indexOf('## Agent')),
      text.slice(text.indexOf('## Agent')),
    ];
    const described = (part: string) =>
      [...part.matchAll(/^\| `(modelfleet_\w+)` +\|/gm)].map(([, name]) => name);
    // The program adds it, where it opens its log.
    const log = 'modelfleet_log_lines_lost_total';
    const shown = (page: string) => [
      log,
      ...[...page.matchAll(/^# TYPE (modelfleet_\w+)/gm)].map(([, name]) => name),
    ];
    expect(described(hubPart).sort()).toEqual(shown(await hubPage()).sort());
    expect(described(agentPart).sort()).toEqual(shown(await pageOf(`${url}/metrics`)).sort());
  });

  it('counts at the hub under the version that it reported', async () => {
    const page = await hubPage();
    expect(sampleOf(page, 'modelfleet_devices_enrolled', { group: 'default' })).toBe(1);
    expect(sampleOf(page, 'modelfleet_devices_connected')).toBe(1);
    const active = { model: 'linear', version: '1.0.0', state: 'active' };
    expect(sampleOf(page, 'modelfleet_device_versions', active)).toBe(1);
    for (const certificate of ['ca', 'server']) {
      const expiry = sampleOf(page, 'modelfleet_certificate_expiry_timestamp_seconds', { certificate });
      expect(expiry! * 1_000, certificate).toBeGreaterThan(Date.now());
    }
    expect(sampleOf(page, 'modelfleet_device_certificates_expiring')).toBe(0);
    expect(
      sampleOf(page, 'modelfleet_trust_expiry_timestamp_seconds', { role: 'timestamp' })! * 1_000,
    ).toBeGreaterThan(Date.now());
  });

  it('switches to the next version and keeps the one before', async () => {
    await publish('2.0.0', 2);
    const id = await rollOut('2.0.0');
    await expect
      .poll(async () => (await model())?.update, pollTimeout)
      .toMatchObject({ version: '2.0.0', state: 'committed' });
    await expect
      .poll(async () => (await model())?.previous, pollTimeout)
      .toMatchObject([{ version: '1.0.0' }]);
    expect(await infer()).toEqual({ model_version: '2.0.0', data: 6 });
    await expectCompleted(id);
  });

  it('tells the hub what it runs', async () => {
    await expect
      .poll(async () => JSON.stringify(await hub.client.get('/devices/sensor-1')), pollTimeout)
      .toContain('"version":"2.0.0"');
  });

  it('finds itself in order', async () => {
    const checks = await examine(data());
    expect(checks.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual([
      'identity',
      'certificate',
      'clock',
      'hub',
      'trust',
      'agent',
      'disk',
      'runner',
    ]);
  });

  it('lets no second agent onto its folder', async () => {
    const options = { ...resolveOptions(agentOptionTable, []), data: data(), port: 0 };
    const logger = pino({ level: 'silent' });
    const second = createAgent(options, { clock: systemClock, random: Math.random, logger, version: '0' });
    await expect(second.start()).rejects.toMatchObject({ code: 'data_folder_locked' });
  });

  it('lets nobody steer it who cannot read its folder', async () => {
    const { port } = JSON.parse(await readFile(join(data(), 'state/control.json'), 'utf8'));
    const response = await fetch(`http://127.0.0.1:${port}/rollback`, { method: 'POST' });
    expect(response.status).toBe(401);
    await expect(askAgent(data(), 'POST', '/rollback?model=other')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('goes back when somebody at the device says so, and stays there', async () => {
    await askAgent(data(), 'POST', '/rollback');
    await expect.poll(async () => (await model())?.update?.state, pollTimeout).toBe('rolled-back');
    expect(await infer()).toEqual({ model_version: '1.0.0', data: 3 });
    expect((await model())?.quarantined).toMatchObject([{ version: '2.0.0' }]);
  });

  it('tries again what it has quarantined when the hub releases it, and says so in the audit log', async () => {
    const shown = await hub.client.get('/devices/sensor-1');
    expect(JSON.stringify(shown)).toContain('rolled_back_by_operator');
    const released = await cli('devices', 'release', 'sensor-1', '--model', 'linear');
    expect(released).toMatchObject({ device: 'sensor-1', model: 'linear', quarantined: ['2.0.0'] });
    await expect.poll(async () => (await model())?.quarantined, pollTimeout).toEqual([]);
    expect(JSON.stringify(await hub.client.get('/audit'))).toContain('device.released');
    // The rollout has completed, so the hub wants it still: nobody needs to ask again.
    await expect.poll(async () => (await model())?.active?.version, pollTimeout).toBe('2.0.0');
    await expect.poll(async () => (await model())?.update?.state, pollTimeout).toBe('committed');

    await askAgent(data(), 'POST', '/rollback');
    await expect.poll(async () => (await model())?.update?.state, pollTimeout).toBe('rolled-back');
    expect(await askAgent(data(), 'POST', '/release?model=linear')).toEqual({
      released: [{ model: 'linear', versions: ['2.0.0'] }],
    });
    await expect.poll(async () => (await model())?.update?.state, pollTimeout).toBe('committed');
    expect(await model()).toMatchObject({ active: { version: '2.0.0' }, quarantined: [] });

    await askAgent(data(), 'POST', '/rollback');
    await expect.poll(async () => (await model())?.update?.state, pollTimeout).toBe('rolled-back');
  });

  it('says which port is taken, and leaves nothing running', async () => {
    const taken = Number(new URL(url).port);
    const other = join(folder, 'other');
    const { token } = (await cli('devices', 'token', 'create')) as { token: string };
    const facts = {
      agentVersion: '0',
      os: 't',
      arch: 't',
      cpus: 1,
      memoryBytes: 1,
      hostname: 't',
      providers: ['cpu'],
    };
    await enrol({ token, deviceId: 'sensor-2', folder: other, facts });
    const logger = pino({ level: 'silent' });
    const environment = { clock: systemClock, random: Math.random, logger, version: '0' };
    const options = { ...resolveOptions(agentOptionTable, []), data: other, port: taken };
    await expect(createAgent(options, environment).start()).rejects.toMatchObject({ code: 'port_in_use' });
    const free = createAgent({ ...options, port: 0 }, environment);
    await free.start();
    await free.stop();
  });

  it('serves after a restart without any hub, and says so when it does not run', async () => {
    await hub.stop();
    await agent.stop();
    const resting = await readRestingStatus(data());
    expect(resting).toMatchObject({
      running: false,
      device: 'sensor-1',
      reported: { models: [{ active: { version: '1.0.0' } }] },
    });
    await expect(status()).rejects.toMatchObject({ code: 'agent_not_running' });
    await startAgent();
    expect(await infer()).toEqual({ model_version: '1.0.0', data: 3 });
  });

  it('serves whatever anybody put into its folder, and names what is not its own', async () => {
    await agent.stop();
    const at = (path: string) => join(data(), path);
    const pipes = [
      'lock.pid',
      'state/slots.json',
      'state/desired.json',
      'trust/verified.json',
      'outbox/pipe',
    ];
    for (const path of pipes) {
      await rm(at(path), { force: true });
      execFileSync('mkfifo', [at(path)]);
    }
    for (const path of ['state/clock.json', 'state/control.json']) {
      await rm(at(path), { force: true });
      await mkdir(join(at(path), 'in the way'), { recursive: true });
    }
    for (const path of ['chunks/lost+found', 'slots/lost+found', `chunks/${'a'.repeat(64)}`])
      await mkdir(at(path));
    for (const path of ['outbox/0000000000000900.events', 'chunks/link', 'state/updates/gone.json']) {
      await symlink('/nowhere', at(path));
    }
    await writeFile(at('state/updates/NO NAME.json'), '{}');
    await writeFile(at('state/updates/copy.json'), await readFile(at('state/updates/linear.json')));
    await startAgent();
    expect(await infer()).toEqual({ model_version: '1.0.0', data: 3 });
    const { reported } = await status();
    expect(reported.models.map((one) => one.model)).toEqual(['linear']);
    const texts = Object.fromEntries(reported.conditions.map(({ code, text }) => [code, text]));
    expect(texts).toMatchObject({ slots_rebuilt: expect.anything() });
    for (const name of [
      'chunks/lost+found',
      'outbox/0000000000000900.events',
      'NO NAME.json',
      'control.json.set-aside',
    ]) {
      expect(texts['foreign_entries']).toContain(name);
    }
    expect((await examine(data())).filter(({ name }) => name === 'folder')).toMatchObject([
      { verdict: 'warn' },
    ]);
    await agent.stop();
    expect((await readRestingStatus(data())).reported.conditions).toMatchObject([
      { code: 'foreign_entries' },
    ]);
    await startAgent();
    expect(await infer()).toEqual({ model_version: '1.0.0', data: 3 });
  });

  it.each(['device.json', 'key.pem', 'cert.pem', 'ca.pem'])(
    'serves what it has when %s of its identity is damaged or lost, and says why it reaches no hub',
    async (name) => {
      const path = join(data(), 'identity', name);
      const whole = await readFile(path);
      for (const damage of [() => writeFile(path, randomBytes(100)), () => rm(path)]) {
        await agent.stop();
        await damage();
        await startAgent();
        expect(await infer()).toEqual({ model_version: '1.0.0', data: 3 });
        const told = async () =>
          (await status()).reported.conditions.map(({ code, text }) => `${code} ${text}`);
        await expect
          .poll(told, pollTimeout)
          .toContainEqual(expect.stringMatching(/^not_connected .*Cannot (use|read|find) /));
        expect((await examine(data())).find((check) => check.name === 'identity')).toMatchObject({
          verdict: 'fail',
        });
      }
      await agent.stop();
      await writeFile(path, whole);
      await startAgent();
      expect(await status()).toMatchObject({ device: 'sensor-1' });
    },
  );
});
