/**
 * The whole way of a version whose model, device, group and tensors are called what every plain object answers to:
 * names that the name rules allow.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Agent, createAgent } from '../../../agent/agent.ts';
import type { AgentStatus } from '../../../agent/agent-status.ts';
import { agentOptionTable } from '../../../agent/config/options-schema.ts';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { askAgent } from '../../../agent/control/control-client.ts';
import { resolveOptions } from '../../../platform/option-table.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { runCli } from '../../support/cli.ts';
import { linearModel } from '../../support/models.ts';
import { RunningHub } from '../../support/running-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const pollTimeout = { timeout: 60_000, interval: 100 };
const device = '__proto__';
const group = 'hasOwnProperty';
const model = 'constructor';
const input = 'toString';
const output = 'valueOf';

let hub: RunningHub;
let folder: string;
let agent: Agent;
let url: string;

const data = () => join(folder, 'agent');

async function cli(...args: string[]): Promise<string> {
  const env = { MODELFLEET_PASSPHRASE: 'correct horse battery staple' };
  const result = await runCli(join(folder, 'login.json'), args, { env });
  expect(result.code, `${args.join(' ')}: ${result.stderr}`).toBe(0);
  return result.stdout;
}

async function startAgent(): Promise<void> {
  const options = {
    ...resolveOptions(agentOptionTable, []),
    data: data(),
    port: 0,
    heartbeatMs: 500,
    windowMs: 500,
  };
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' }, pino.destination(2));
  agent = createAgent(options, { clock: systemClock, random: Math.random, logger, version: '0.0.0' });
  ({ url } = await agent.start());
}

async function bring(version: string, weight: number): Promise<void> {
  const path = join(folder, version);
  await mkdir(path);
  const onnx = linearModel({ weights: [weight, weight], inputName: input, outputName: output });
  await writeFile(join(path, 'model.onnx'), onnx);
  await writeFile(join(path, 'sample.csv'), '__proto__,constructor\n1,2\n3,4\n5,6\n7,8\n');
  const lines = [
    `model: ${model}`,
    `version: ${version}`,
    `release: ${version[0]}`,
    'file: model.onnx',
    `features: { ${input}: [__proto__, constructor] }`,
    'sample: { file: sample.csv }',
    'golden: { rows: 2 }',
  ];
  await writeFile(join(path, 'model.yaml'), lines.join('\n'));
  await cli('models', 'publish', path, '--key', join(folder, 'keys/publisher.pem'));
  const options = ['--model', model, '--version', version, '--group', group, '--phases', '100%'];
  await cli('rollout', 'create', ...options, '--soak', '1s', '--trial', '1s', '--trial-min-requests', '0');
  await expect
    .poll(async () => JSON.parse(await cli('rollout', 'status', '--json')).status, pollTimeout)
    .toBe('completed');
}

const status = async () => (await askAgent(data(), 'GET', '/status')) as AgentStatus;

async function infer(): Promise<unknown> {
  const response = await fetch(`${url}/v2/models/${model}/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: input, datatype: 'FP32', shape: [1, 2], data: [1, 2] }] }),
  });
  const { model_version, outputs } = (await response.json()) as { model_version: string; outputs: unknown[] };
  return { version: model_version, outputs };
}

const answer = (version: string, value: number) => ({
  version,
  outputs: [{ name: output, datatype: 'FP32', shape: [1, 1], data: [value] }],
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-names-'));
  hub = await RunningHub.start();
  await cli('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);
  await cli('trust', 'init', '--keys', join(folder, 'keys'));
  const token = (await cli('devices', 'token', 'create', '--group', group)).trim();
  const facts = { agentVersion: '0', os: 't', arch: 't', cpus: 1, memoryBytes: 1, hostname: model };
  await enrol({ token, deviceId: device, folder: data(), facts: { ...facts, providers: ['cpu'] } });
  await startAgent();
});
afterAll(async () => {
  await agent?.stop();
  await hub?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe(`a model called "${model}" on device "${device}" of group "${group}"`, () => {
  it('is published, rolled out and served', async () => {
    await bring('1.0.0', 1);
    expect(await infer()).toEqual(answer('1.0.0', 3));
    await bring('2.0.0', 2);
    expect(await infer()).toEqual(answer('2.0.0', 6));
  });

  it('shows in every view', async () => {
    const views = [
      ['models', 'list'],
      ['models', 'show', model],
      ['models', 'show', model, '2.0.0'],
      ['devices', 'list', '--group', group],
      ['devices', 'show', device],
      ['rollout', 'status'],
      ['audit', 'list'],
    ];
    for (const view of views) expect(await cli(...view, '--json'), view.join(' ')).toContain(model);
    await expect
      .poll(() => cli('telemetry', 'show', '--model', model), pollTimeout)
      .toMatch(/^2\.0\.0 .*\n1\.0\.0 /m);
    const drift = await cli('drift', 'show', '--model', model, '--version', '2.0.0');
    for (const name of ['__proto__', 'constructor', output]) expect(drift).toContain(name);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(`model="${model}"`);
  });

  it('goes on after a restart, and back to the version before', async () => {
    await agent.stop();
    await startAgent();
    expect(await infer()).toEqual(answer('2.0.0', 6));
    await askAgent(data(), 'POST', `/rollback?model=${model}`);
    await expect
      .poll(async () => (await status()).reported.models[0]?.update?.state, pollTimeout)
      .toBe('rolled-back');
    expect(await infer()).toEqual(answer('1.0.0', 3));
  });
});
