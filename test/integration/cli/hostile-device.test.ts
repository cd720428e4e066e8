/**
 * What devices, publishers and operators may write into a hub, shown to somebody else: no command's output moves a
 * terminal's cursor, hides text, or has a line that is not the command's own.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { loadIdentity } from '../../../agent/connection/identity.ts';
import type { Broker } from '../../../hub/broker/broker.ts';
import type { ReportedState } from '../../../shared/protocol/reported-state.ts';
import { topics } from '../../../shared/protocol/topics.ts';
import type { UpdateEvent } from '../../../shared/protocol/update-event.ts';
import { deviceClient } from '../../support/broker-world.ts';
import { type CliResult, runCli } from '../../support/cli.ts';
import { linearModel } from '../../support/models.ts';
import { RunningHub } from '../../support/running-hub.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const device = 'hostile-1';
/** Clears the screen, sets the title, turns writing round, hides, and begins lines that look like the command's. */
const hostile = '\u001b[2J\u001b]0;x\u0007\u009b31m\u202eevil\u200b\u2028\r\nFORGED  all is well\n\u007f';
const short = '\u001b[2J\n\u009b\u202e';
const unsafe = /[^\n\P{C}]|\p{Zl}|\p{Zp}/u;

let hub: RunningHub;
let folder: string;
let client: MqttClient;
let rollout: string;

const cli = (...args: string[]): Promise<CliResult> =>
  runCli(join(folder, 'login.json'), args, {
    env: { MODELFLEET_PASSPHRASE: 'correct horse battery staple' },
  });

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(...args);
  expect(code, stderr).toBe(0);
  return stdout;
}

function expectSafe({ stdout, stderr }: CliResult): void {
  expect(stdout + stderr).not.toMatch(unsafe);
  expect(stdout + stderr).not.toMatch(/^FORGED/m);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-hostile-'));
  hub = await RunningHub.start();
  await done('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);
  await done('trust', 'init', '--keys', join(folder, 'keys'));
  const token = (await done('devices', 'token', 'create')).trim();
  const facts = {
    agentVersion: short,
    os: hostile,
    arch: short,
    cpus: 1,
    memoryBytes: 1,
    hostname: hostile,
  };
  const data = join(folder, 'device');
  await enrol({
    token,
    deviceId: device,
    folder: data,
    facts: { ...facts, providers: ['cpu', '\u001b[31m'] },
  });
  client = await deviceClient({ broker: { port: hub.mqtt.port } as Broker }, await loadIdentity(data));

  const version = join(folder, 'version');
  await mkdir(version);
  await writeFile(join(version, 'model.onnx'), linearModel({ inputName: hostile, outputName: 'y' }));
  await writeFile(join(version, 'sample.csv'), 'a,b\n1,2\n3,4\n5,6\n7,8\n');
  const card = { description: hostile };
  const columns = { [hostile]: ['a', 'b'] };
  const wanted = { model: 'line', version: '1.0.0', release: 1, file: 'model.onnx', card };
  const yaml = { ...wanted, sample: { file: 'sample.csv', columns }, golden: { rows: 2 } };
  await writeFile(join(version, 'model.yaml'), JSON.stringify(yaml));
  const published = await cli('models', 'publish', version, '--key', join(folder, 'keys/publisher.pem'));
  // A name with breaks of lines may be refused: then the model has another.
  if (published.code !== 0) {
    expectSafe(published);
    await writeFile(join(version, 'model.onnx'), linearModel());
    const plain = { ...yaml, sample: { file: 'sample.csv', columns: { x: ['a', 'b'] } } };
    await writeFile(join(version, 'model.yaml'), JSON.stringify(plain));
    await done('models', 'publish', version, '--key', join(folder, 'keys/publisher.pem'));
  }
  const create = ['rollout', 'create', '--model', 'line', '--version', '1.0.0', '--phases', '100%', '--json'];
  rollout = JSON.parse(await done(...create)).id;
  await done('rollout', 'pause', rollout, '--reason', hostile);
  await tell();
});
afterAll(async () => {
  await client?.endAsync(true);
  await hub?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Everything a device says of itself. */
async function tell(): Promise<void> {
  const at = new Date().toISOString();
  const fault = { code: 'inference_failed', message: hostile, retry: 'never' as const };
  const manifest = 'a'.repeat(64);
  const event: UpdateEvent = {
    v: 1,
    id: 'e-1',
    at,
    model: 'line',
    version: '1.0.0',
    manifest,
    rollout,
    sequence: 1,
    state: 'rejected',
    fault,
    facts: { provider: hostile },
  };
  const reported: ReportedState = {
    v: 2,
    at,
    sequence: 1,
    facts: {
      agentVersion: short,
      os: hostile,
      arch: short,
      cpus: 1,
      memoryBytes: 1,
      hostname: hostile,
      providers: [],
    },
    freeBytes: 1,
    models: [
      {
        model: 'line',
        provider: '\u001b[1m',
        previous: [],
        update: { version: '1.0.0', state: 'rejected', since: at, fault },
        quarantined: [{ version: '1.0.0', until: at, reason: hostile }],
      },
    ],
    conditions: [{ code: 'clock_suspect', severity: 'error', text: hostile }],
  };
  await client.publishAsync(topics.device(device, 'reported'), JSON.stringify(reported), { qos: 1 });
  await client.publishAsync(topics.device(device, 'events'), JSON.stringify(event), { qos: 1 });
}

describe('what others wrote', () => {
  it.each([
    ['devices', 'show', device],
    ['devices', 'list'],
    ['rollout', 'status'],
    ['rollout', 'list'],
    ['models', 'show', 'line', '1.0.0'],
    ['audit', 'list'],
  ])('is shown and harmless in "%s %s"', async (...args) => {
    const shown = await cli(...args);
    expect(shown.code, shown.stderr).toBe(0);
    expectSafe(shown);
    const json = await cli(...args, '--json');
    expect(json.stdout).toMatch(/^[\x20-\x7e\n…–]*$/);
    JSON.parse(json.stdout);
  });

  it('is shown written out, and whole in the JSON', async () => {
    const shown = await done('devices', 'show', device);
    expect(shown).toContain(
      '\\x1b[2J\\x1b]0;x\\x07\\x9b31m\\u{202e}evil\\u{200b}\\u{2028}\\r\\nFORGED  all is well\\n',
    );
    expect(JSON.parse(await done('devices', 'show', device, '--json')).facts.hostname).toBe(hostile);
  });

  it('is harmless in a refusal', async () => {
    for (const args of [
      ['devices', 'show', hostile],
      ['models', 'show', hostile],
      ['devices', 'list', '--group', hostile],
      ['rollout', 'create', '--model', hostile, '--version', hostile, '--phases', hostile],
      [hostile],
      ['devices', 'list', `--${hostile}`],
      ['drift', 'show', '--model', hostile, '--since', hostile],
      ['tokens', 'create', hostile, '--role', hostile],
      ['login', `https://${hostile}`, '--token', 'x', '--ca-fingerprint', hostile],
      ['models', 'pack', hostile],
      ['models', 'publish', hostile, '--key', hostile],
    ]) {
      const refused = await cli(...args);
      expect(refused.code).toBeGreaterThan(0);
      expectSafe(refused);
    }
  });
});
