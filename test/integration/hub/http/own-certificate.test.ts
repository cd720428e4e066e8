import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { enrol } from '../../../../agent/connection/enrolment.ts';
import { loadIdentity } from '../../../../agent/connection/identity.ts';
import type { HubOptions } from '../../../../hub/config/options-schema.ts';
import { connectPinned } from '../../../../platform/pinned-tls.ts';
import { parseJoinToken } from '../../../../shared/protocol/join-token.ts';
import { runCli } from '../../../support/cli.ts';
import { facts } from '../../../support/connection-hub.ts';
import { type MadeCertificate, makeCertificate } from '../../../support/made-certificate.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

async function startHub(made: MadeCertificate, more: Partial<HubOptions> = {}): Promise<RunningHub> {
  const hub = await RunningHub.start({
    options: { httpTlsCert: made.certFile, httpTlsKey: made.keyFile, ...more },
  });
  onTestFinished(() => hub.stop());
  return hub;
}

/** Logs in with what an operator has, sets up trust and makes a join token. */
async function joinToken(hub: RunningHub, folder: string, caFile: string): Promise<string> {
  const config = join(folder, 'login.json');
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, `${hub.adminToken}\n`);
  const login = await runCli(config, ['login', hub.url, '--token-file', tokenFile, '--ca-file', caFile]);
  expect(login).toMatchObject({ code: 0, stderr: '' });
  const env = { MODELFLEET_PASSPHRASE: 'correct horse battery staple' };
  const keys = join(folder, 'keys');
  expect(await runCli(config, ['trust', 'init', '--keys', keys], { env })).toMatchObject({ code: 0 });
  const made = await runCli(config, ['devices', 'token', 'create', '--json']);
  return (JSON.parse(made.stdout) as { token: string }).token;
}

/** The broker shows the certificate of the hub's CA, which the device has pinned. */
async function expectBrokerTrusted(folder: string): Promise<void> {
  const identity = await loadIdentity(folder);
  const socket = await connectPinned({ ...identity, ...identity.mqtt, provenNow: () => Date.now() });
  expect(socket.authorized).toBe(true);
  socket.destroy();
}

describe('an own certificate of the REST API', () => {
  it('of a CA that the device is given: login, join token and enrolment go by it, and MQTT by the CA of the hub', async () => {
    const folder = await tempFolder();
    const made = await makeCertificate(folder);
    const hub = await startHub(made);
    const token = await joinToken(hub, folder, made.caFile);
    expect(parseJoinToken(token)).toMatchObject({ tls: 'system', ca: hub.addresses.caSha256 });
    const device = { token, deviceId: 'd-1', folder: join(folder, 'agent'), facts };
    await expect(enrol(device)).rejects.toMatchObject({
      code: 'ca_mismatch',
      message: expect.stringContaining('--ca-file'),
    });
    await enrol({ ...device, restCas: made.caPem });
    expect((await loadIdentity(device.folder)).caPem).toBe(hub.ca);
    await expectBrokerTrusted(device.folder);
  });

  it('whose chain ends in its root needs nothing more on the device: the join token pins that root', async () => {
    const folder = await tempFolder();
    const made = await makeCertificate(folder, { withRoot: true });
    const hub = await startHub(made);
    const token = await joinToken(hub, folder, made.caFile);
    expect(parseJoinToken(token).tls).toBe(made.caSha256);
    const device = join(folder, 'agent');
    await enrol({ token, deviceId: 'd-1', folder: device, facts });
    await expectBrokerTrusted(device);
  });

  it('is not trusted by a login that names no CA, and its token stays here', async () => {
    const folder = await tempFolder();
    const hub = await startHub(await makeCertificate(folder));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, hub.adminToken);
    const config = join(folder, 'login.json');
    const args = ['login', hub.url, '--token-file', tokenFile];
    const refused = await runCli(config, args);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code: ca_mismatch') });
    // The environment's way to trust one more CA counts as the system's.
    const env = { NODE_EXTRA_CA_CERTS: join(folder, 'company-ca.pem') };
    expect(await runCli(config, args, { env })).toMatchObject({ code: 0 });
    expect(await readFile(config, 'utf8')).not.toContain('BEGIN CERTIFICATE');
    expect(await runCli(config, ['whoami'], { env })).toMatchObject({ code: 0 });
  });

  it('that names other hosts, or ends soon, is used with a warning; one with another key is refused', async () => {
    const folder = await tempFolder();
    const made = await makeCertificate(folder, { hosts: ['other.example'], days: 3 });
    const hub = await startHub(made, { publicUrl: 'https://fleet.example.com' });
    const log = hub.logLines.join('');
    expect(log).toContain('it does not name \\"fleet.example.com\\"');
    expect(log).toContain('it expires at ');
    const other = await makeCertificate(await tempFolder());
    await expect(startHub({ ...made, keyFile: other.keyFile })).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('does not belong to the first certificate'),
    });
    await expect(startHub({ ...made, keyFile: '' })).rejects.toThrow('expected both');
    await expect(startHub({ ...made, certFile: made.keyFile })).rejects.toThrow('found 0');
  });
});

it('public addresses are in join tokens and in what the hub says of itself, and their hosts in its certificate', async () => {
  const hub = await RunningHub.start({
    options: {
      publicUrl: 'https://fleet.example.com',
      publicMqtt: { host: 'mqtt.example.com', port: 1883 },
      publicTrust: 'system',
    },
  });
  onTestFinished(() => hub.stop());
  expect(hub.addresses).toMatchObject({
    url: 'https://fleet.example.com',
    mqtt: { host: 'mqtt.example.com', port: 1883 },
  });
  const server = await readFile(join(hub.data, 'pki/server.pem'), 'utf8');
  const certificate = new X509Certificate(server.slice(server.indexOf('-----BEGIN CERT')));
  for (const host of ['fleet.example.com', 'mqtt.example.com'])
    expect(certificate.checkHost(host)).toBe(host);
});
