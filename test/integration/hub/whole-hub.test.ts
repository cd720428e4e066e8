/** One hub as `createHub` composes it, used by the real command line and a real device session. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { enrol } from '../../../agent/connection/enrolment.ts';
import type { HubLinkHandlers } from '../../../agent/connection/hub-link.ts';
import { loadIdentity } from '../../../agent/connection/identity.ts';
import { MqttSession } from '../../../agent/connection/mqtt-session.ts';
import { makeLogger } from '../../../platform/logger.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { runCli } from '../../support/cli.ts';
import { linearModel } from '../../support/models.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

// Every step is a process: slow when all cores are busy.
vi.setConfig({ testTimeout: 120_000 });
const pollTimeout = { timeout: 60_000 };

const env = { MODELFLEET_PASSPHRASE: 'correct horse battery staple' };
let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
});
afterAll(() => hub.stop());

describe('a hub with all its parts', () => {
  it('takes a model from the publisher to the desired state of a device, and says it again after a restart', async () => {
    const folder = await tempFolder();
    const config = join(folder, 'login.json');
    const cli = async (...args: string[]) => {
      const result = await runCli(config, [...args, '--json'], { env });
      expect(result.code, `${args.join(' ')}: ${result.stderr}`).toBe(0);
      return JSON.parse(result.stdout);
    };
    await cli('login', hub.url, '--token', hub.adminToken, '--ca-fingerprint', hub.addresses.caSha256);

    // Trust and a version.
    const keys = join(folder, 'keys');
    await cli('trust', 'init', '--keys', keys);
    const version = join(folder, 'version');
    await mkdir(version);
    await writeFile(join(version, 'model.onnx'), linearModel());
    await writeFile(join(version, 'sample.csv'), 'a,b\n1,2\n3,4\n5,6\n7,8\n');
    await writeFile(
      join(version, 'model.yaml'),
      [
        'model: linear',
        'version: 1.0.0',
        'release: 1',
        'file: model.onnx',
        'sample: { file: sample.csv, columns: { x: [a, b] } }',
        'golden: { rows: 2 }',
      ].join('\n'),
    );
    await cli('models', 'publish', version, '--key', join(keys, 'publisher.pem'));
    expect(await cli('models', 'list')).toMatchObject([{ model: 'linear', newest: { version: '1.0.0' } }]);

    // A device.
    const { token } = await cli('devices', 'token', 'create', '--group', 'lab');
    const data = join(folder, 'agent');
    const facts = {
      agentVersion: '0',
      os: 't',
      arch: 't',
      cpus: 1,
      memoryBytes: 1,
      hostname: 't',
      providers: ['cpu'],
    };
    await enrol({ token, deviceId: 'sensor-1', folder: data, facts });
    const received: { desired: string[]; trust: Set<string> } = { desired: [], trust: new Set() };
    const nothing = () => undefined;
    const handlers: HubLinkHandlers = {
      connected: nothing,
      disconnected: nothing,
      command: nothing,
      chunk: nothing,
      chunkError: nothing,
      desired: (payload) => received.desired.push(Buffer.from(payload).toString()),
      trust: (role) => received.trust.add(role).has(role),
    };
    const session = new MqttSession({
      identity: await loadIdentity(data),
      handlers,
      clock: systemClock,
      floor: systemClock,
      random: Math.random,
      logger: makeLogger('test', 'silent'),
      waits: { lost: { firstMs: 50, maxMs: 200 }, refused: { firstMs: 50, maxMs: 200 }, stableMs: 1_000 },
    });
    session.start();
    onTestFinished(() => session.close());
    await expect
      .poll(() => [...received.trust].sort(), pollTimeout)
      .toEqual(expect.arrayContaining(['root', 'targets', 'timestamp']));
    await expect
      .poll(async () => JSON.stringify(await hub.client.get('/devices')), pollTimeout)
      .toContain('"connected":true');

    // A rollout reaches it.
    const rollout = (await hub.client.post('/rollouts', {
      model: 'linear',
      version: '1.0.0',
      group: 'lab',
      phases: [{ percent: 100 }],
    })) as { id: string };
    await expect.poll(() => received.desired.length, pollTimeout).toBeGreaterThan(0);
    const envelope = received.desired.at(-1)!;
    const statement = JSON.parse(Buffer.from(JSON.parse(envelope).payload, 'base64').toString());
    expect(statement).toMatchObject({ device: 'sensor-1', models: [{ model: 'linear', version: '1.0.0' }] });

    // A restart loses nothing: same statement, same trust, same rollout, whole audit log.
    received.desired.length = 0;
    received.trust.clear();
    await hub.restart();
    await expect.poll(() => received.desired.at(-1), pollTimeout).toBe(envelope);
    await expect.poll(() => received.trust.has('timestamp'), pollTimeout).toBe(true);
    expect(await hub.client.get(`/rollouts/${rollout.id}`)).toMatchObject({
      id: rollout.id,
      status: 'running',
    });
    expect(await cli('audit', 'verify')).toMatchObject({ intact: true });
    const actions = (await cli('audit', 'list')).map((event: { action: string }) => event.action);
    expect(actions).toEqual(
      expect.arrayContaining([
        'trust.initialised',
        'version.published',
        'device.enrolled',
        'rollout.created',
        'token.created',
      ]),
    );
    expect(hub.logLines.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
    const written = hub.logLines.join('');
    for (const secret of [hub.adminToken, token, env.MODELFLEET_PASSPHRASE])
      expect(written).not.toContain(secret);
  });
});
