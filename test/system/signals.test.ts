/** Signals that a running program gets, sent to the real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ConnectionHub } from '../support/connection-hub.ts';
import { makeCertificate } from '../support/made-certificate.ts';
import { bins } from '../support/programs.ts';
import { tempFolder } from '../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });
const patient = { timeout: 20_000 };

interface StartedHub {
  readonly child: ChildProcess;
  readonly log: () => string;
  readonly url: string;
}

async function startHub(data: string, more: readonly string[] = []): Promise<StartedHub> {
  const args = ['--data', data, '--http-port', '0', '--mqtt-port', '0', '--json', ...more];
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
  return { child, log: () => stderr, url: (JSON.parse(stdout) as { url: string }).url };
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

/** Lines of the log with this message. */
function logged(log: string, message: string): Record<string, unknown>[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === message);
}

/** SHA-256 of the certificate that a TLS server shows. */
async function shownCertificate(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerX509Certificate()!;
  socket.destroy();
  return createHash('sha256').update(raw).digest('hex');
}

it('SIGHUP reloads certificates, log level and limits; what cannot be used is logged, and the old stays', async () => {
  const data = await tempFolder();
  const folder = await tempFolder();
  const config = join(folder, 'hub.yaml');
  const first = await makeCertificate(folder);
  const files = { httpTlsCert: first.certFile, httpTlsKey: first.keyFile };
  const write = (options: object) => writeFile(config, JSON.stringify({ ...files, ...options }));
  await write({ logLevel: 'info' });
  const { child, log, url } = await startHub(data, ['--config', config]);
  const port = Number(new URL(url).port);
  expect(await shownCertificate(port)).toBe(first.sha256);

  const second = await makeCertificate(folder);
  await write({ logLevel: 'debug', httpConnections: 100, telemetryKept: '20d' });
  child.kill('SIGHUP');
  await expect.poll(() => logged(log(), 'configuration reloaded').length, patient).toBe(1);
  expect(logged(log(), 'configuration reloaded')[0]).toMatchObject({
    changed: ['http-connections', 'log-level'],
    renewed: ['certificate of the REST API'],
  });
  expect(logged(log(), 'changed options need a restart')[0]).toMatchObject({ options: ['telemetry-kept'] });
  expect(await shownCertificate(port)).toBe(second.sha256);
  await request(`${url}/healthz`, { dispatcher: new Agent({ connect: { ca: second.caPem } }) });
  await expect.poll(() => logged(log(), 'request answered').length, patient).toBe(1);

  await write({ logLevel: 'loud' });
  child.kill('SIGHUP');
  const refusals = () => logged(log(), 'the configuration was not reloaded; the previous one stays in force');
  await expect.poll(() => refusals().length, patient).toBe(1);
  expect(refusals()[0]).toMatchObject({ level: 50, reason: expect.stringContaining('"loud"') });
  await write({ logLevel: 'debug', trustedProxies: '10.0.0.0/40', httpConnections: 50 });
  child.kill('SIGHUP');
  await expect.poll(() => refusals().length, patient).toBe(2);
  await writeFile(first.keyFile, 'no key');
  await write({ logLevel: 'info' });
  child.kill('SIGHUP');
  await expect.poll(() => refusals().length, patient).toBe(3);
  expect(await shownCertificate(port)).toBe(second.sha256);

  child.kill('SIGTERM');
  child.kill('SIGHUP');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('SIGHUP opens the access log anew: what was renamed ends, and a file of the old name begins', async () => {
  const file = join(await tempFolder(), 'access.log');
  const { child, log, url } = await startHub(await tempFolder(), ['--access-log', file]);
  const probe = () =>
    request(`${url}/healthz`, { dispatcher: new Agent({ connect: { rejectUnauthorized: false } }) });
  const lineCount = async (path: string) => (await readFile(path, 'utf8')).split('\n').length - 1;
  await probe();
  await expect.poll(() => lineCount(file), patient).toBe(1);
  await rename(file, `${file}.1`);
  await probe();
  await expect.poll(() => lineCount(`${file}.1`), patient).toBe(2);
  child.kill('SIGHUP');
  await expect.poll(() => logged(log(), 'configuration reloaded').length, patient).toBe(1);
  await probe();
  await expect.poll(() => lineCount(file), patient).toBe(1);
  expect(await lineCount(`${file}.1`)).toBe(2);
  await probe();
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(await lineCount(file)).toBe(2);
});

it('a SIGHUP during the start is handled after it', async () => {
  const data = await tempFolder();
  const args = ['--data', data, '--http-port', '0', '--mqtt-port', '0', '--json', '--log-level', 'info'];
  const child = spawn(join(bins, 'modelfleet-hub'), args);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // The folder is made by the hub's own code, which takes the signal from its first statement on.
  await expect.poll(() => existsSync(join(data, 'pki')), { timeout: 60_000, interval: 5 }).toBe(true);
  expect(logged(stderr, 'hub started')).toHaveLength(0);
  child.kill('SIGHUP');
  child.kill('SIGHUP');
  await expect.poll(() => logged(stderr, 'configuration reloaded').length, patient).toBeGreaterThan(0);
  const messages = stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).msg);
  expect(messages.indexOf('configuration reloaded')).toBeGreaterThan(messages.indexOf('hub started'));
});

it('an agent reloads on SIGHUP and goes on', async () => {
  const folder = await tempFolder();
  const hub = await ConnectionHub.start();
  onTestFinished(() => hub.stop());
  await hub.enrol('d-1', join(folder, 'agent'));
  const config = join(folder, 'agent.yaml');
  await writeFile(config, 'logLevel: info\n');
  const args = ['run', '--data', join(folder, 'agent'), '--port', '0', '--config', config, '--json'];
  const child = spawn(join(bins, 'modelfleet-agent'), args);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await expect.poll(() => logged(stderr, 'agent started').length, { timeout: 60_000 }).toBe(1);
  await writeFile(config, 'logLevel: debug\ndownloadBytesPerSecondMax: 1000\nkeepPrevious: 3\n');
  child.kill('SIGHUP');
  await expect.poll(() => logged(stderr, 'configuration reloaded').length, patient).toBe(1);
  expect(logged(stderr, 'configuration reloaded')[0]).toMatchObject({
    changed: expect.arrayContaining(['download-bytes-per-second-max', 'log-level']),
  });
  expect(logged(stderr, 'changed options need a restart')[0]).toMatchObject({ options: ['keep-previous'] });
  child.kill('SIGUSR1');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
