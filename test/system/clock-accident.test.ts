/**
 * The hub's clock is 30 days ahead for a while: it signs, enrols and starts a rollout. Then it is right again. Promised: nothing waits
 * for the 30 days, on no device: not on one that has seen the wrong time, nor on one that was enrolled in it.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Agent, createAgent } from '../../agent/agent.ts';
import type { AgentStatus } from '../../agent/agent-status.ts';
import { dataFolder } from '../../agent/config/data-folder.ts';
import { agentOptionTable } from '../../agent/config/options-schema.ts';
import { enrol } from '../../agent/connection/enrolment.ts';
import { loadIdentity } from '../../agent/connection/identity.ts';
import { askAgent } from '../../agent/control/control-client.ts';
import { examine } from '../../agent/health/doctor.ts';
import { ClockFloor } from '../../agent/trust/clock-floor.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { runCli } from '../support/cli.ts';
import { facts } from '../support/connection-hub.ts';
import { linearModel } from '../support/models.ts';
import { RunningHub } from '../support/running-hub.ts';
import { SetClock } from '../support/set-clock.ts';

const TEST_MS = 300_000;
const DAY_MS = 86_400_000;
const pollTimeout = { timeout: 120_000, interval: 200 };

describe('the clock of the hub is 30 days ahead for a while', { timeout: TEST_MS }, () => {
  const clock = new SetClock();
  const agents: Agent[] = [];
  let hub: RunningHub;
  let folder: string;
  const data = (id: string) => join(folder, id);

  async function cli(...args: string[]): Promise<Record<string, unknown>> {
    const env = { MODELFLEET_PASSPHRASE: 'only for tests' };
    const done = await runCli(join(folder, 'login.json'), [...args, '--json'], { env });
    expect(done.code, `${args.join(' ')}: ${done.stderr}`).toBe(0);
    return JSON.parse(done.stdout) as Record<string, unknown>;
  }

  async function startDevice(id: string): Promise<void> {
    const { token } = (await cli('devices', 'token', 'create')) as { token: string };
    await enrol({ token, deviceId: id, folder: data(id), facts });
    const options = { ...resolveOptions(agentOptionTable, []), data: data(id), port: 0 };
    const agent = createAgent(
      { ...options, heartbeatMs: 500, windowMs: 500, reconnectMaxMs: 1_000 },
      { clock: systemClock, random: Math.random, logger: pino({ level: 'silent' }), version: '0.0.0' },
    );
    agents.push(agent);
    await agent.start();
  }

  async function publish(version: string): Promise<void> {
    const path = join(folder, version);
    await mkdir(path);
    await writeFile(join(path, 'model.onnx'), linearModel({ bias: [Number.parseInt(version, 10)] }));
    await writeFile(join(path, 'sample.csv'), 'a,b\n1,2\n3,4\n5,6\n7,8\n');
    const lines = ['model: linear', `version: ${version}`, `release: ${version[0]}`, 'file: model.onnx'];
    lines.push('sample: { file: sample.csv, columns: { x: [a, b] } }', 'golden: { rows: 2 }');
    await writeFile(join(path, 'model.yaml'), lines.join('\n'));
    await cli('models', 'publish', path, '--key', join(folder, 'keys', 'publisher.pem'));
  }

  async function rollOut(version: string, soak: string): Promise<string> {
    const made = await cli(
      ...['rollout', 'create', '--model', 'linear', '--version', version, '--phases', '100%'],
      ...['--soak', soak, '--trial', '1s', '--trial-min-requests', '0'],
    );
    return made['id'] as string;
  }

  const status = async (id: string) => (await askAgent(data(id), 'GET', '/status')) as AgentStatus;
  const committed = async (id: string) => {
    const model = (await status(id)).reported.models[0];
    return model?.update?.state === 'committed' ? model.active?.version : model?.update?.state;
  };
  const rolloutStatus = async (id: string) =>
    ((await hub.client.get(`/rollouts/${id}`)) as { status: string }).status;
  /** What the device takes for proven, from its file. */
  const proven = async (id: string) => {
    const { certificateFrom } = await loadIdentity(data(id));
    return (await ClockFloor.open(dataFolder(data(id)).clock, { now: () => 0 }, certificateFrom)).now();
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelfleet-clock-'));
    hub = await RunningHub.start({ clock, options: { rolloutObserveMs: 100 } });
    await cli('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);
    await cli('trust', 'init', '--keys', join(folder, 'keys'));
    await startDevice('before');
    await publish('1.0.0');
    const id = await rollOut('1.0.0', '0s');
    await vi.waitFor(async () => expect(await rolloutStatus(id)).toBe('completed'), pollTimeout);
  }, TEST_MS);
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await hub?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('goes on at once when the clock is right: devices, rollout, new versions', async () => {
    clock.aheadMs = 30 * DAY_MS;
    await publish('2.0.0');
    await startDevice('within');
    const id = await rollOut('2.0.0', '5s');
    await expect.poll(() => committed('before'), pollTimeout).toBe('2.0.0');
    await expect.poll(() => committed('within'), pollTimeout).toBe('2.0.0');
    expect(await proven('before')).toBeGreaterThan(systemClock.now() + 29 * DAY_MS);
    const clockCheck = async () => (await examine(data('before'))).find(({ name }) => name === 'clock');
    expect(await clockCheck()).toMatchObject({
      verdict: 'fail',
      wayOut: expect.stringContaining('modelfleet-agent clock --reset'),
    });

    clock.aheadMs = 0;
    // The soak that was to last some seconds does not last a month.
    await expect.poll(() => rolloutStatus(id), pollTimeout).toBe('completed');
    await publish('3.0.0');
    const next = await rollOut('3.0.0', '0s');
    await expect.poll(() => rolloutStatus(next), pollTimeout).toBe('completed');
    for (const device of ['before', 'within']) {
      expect(await committed(device)).toBe('3.0.0');
      expect(await proven(device)).toBeLessThan(systemClock.now() + 60_000);
      expect((await status(device)).connected).toBe(true);
    }
    expect(await clockCheck()).toMatchObject({ verdict: 'ok' });
    expect(await hub.client.get('/audit/verify')).toMatchObject({ intact: true });
  });

  it('a device can be told to believe its own clock again', async () => {
    clock.aheadMs = 30 * DAY_MS;
    await publish('4.0.0');
    await expect.poll(() => proven('before'), pollTimeout).toBeGreaterThan(systemClock.now() + 29 * DAY_MS);
    expect(await askAgent(data('before'), 'POST', '/clock/reset')).toEqual({ nowMs: expect.any(Number) });
    expect(await proven('before')).toBeLessThan(systemClock.now() + 60_000);
    clock.aheadMs = 0;
  });
});
