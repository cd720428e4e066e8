/**
 * `connect/cpu`: processor time the broker takes for one connection, from its first byte until the device has its desired state, with
 * so many retained messages of others; against a bare aedes with as many. `connect/storm`: a hub with ten thousand devices
 * connected is killed and started again; seconds from its start until every device has its desired state again. Devices
 * wait and come back as agents do; they and the hub share the machine.
 */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AedesBroker } from '../../hub/broker/aedes-broker.ts';
import { openDatabase } from '../../hub/db/database.ts';
import { DeviceStore } from '../../hub/devices/device-store.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { issueCertificate } from '../../hub/pki/certificate.ts';
import { DesiredStore } from '../../hub/rollout/desired-store.ts';
import { Director } from '../../hub/rollout/director.ts';
import { OnlineKeys } from '../../hub/signing/online-keys.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { topics } from '../../shared/protocol/topics.ts';
import { startBareBroker } from './bare-broker.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import type { FleetJob, FleetNews } from './connect-fleet.ts';

const DEVICES = 10_000;
const RUNS = 3;
/** Devices that come and go for `connect/cpu`, how often in all for one figure, and desired states of others. */
const COMING = 20;
const CONNECTIONS = 300;
const RETAINED = [100, 10_000];
const STORM_MS_MAX = 600_000;

export async function run(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  const hub = new BenchHub(join(folder, 'hub'));
  try {
    await hub.start();
    await hub.stop('SIGTERM');
    const job = await enrolFleet(join(folder, 'hub'), DEVICES);
    const authority = await openAuthority(join(folder, 'hub'));
    const rows: BenchRow[] = [];
    for (const retained of RETAINED) rows.push(await connectionCost(authority, job, retained));
    const storm = await stormOf(hub, job);
    return [
      ...rows,
      benchRow(`connect/storm ${DEVICES}`, 's', [storm.backMs / 1_000], { wanted: [60] }),
      benchRow('connect/storm hub up', 's', [storm.startMs / 1_000]),
      benchRow('connect/storm cpu', 'ms', [storm.cpuMs / DEVICES]),
    ];
  } finally {
    await hub.stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of one connection, ours and the bare broker's by turns. */
async function connectionCost(authority: Authority, job: Job, retained: number): Promise<BenchRow> {
  const broker = new AedesBroker({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
    listen: { host: '127.0.0.1', port: 0 },
    isAdmitted: async () => true,
    logger: makeLogger('bench', 'error'),
  });
  await broker.start({
    message: async () => undefined,
    connected: () => undefined,
    disconnected: () => undefined,
  });
  const bare = await startBareBroker(authority);
  const packet = { cmd: 'publish', qos: 1, retain: true, dup: false } as const;
  for (const { id } of job.devices.slice(0, retained)) {
    const [topic, payload] = [topics.device(id, 'desired'), Buffer.alloc(1_000, 'x')];
    await broker.retain(topic, payload);
    bare.aedes.publish({ ...packet, topic, payload }, () => undefined);
  }
  const few = { ...job, devices: job.devices.slice(0, COMING), once: CONNECTIONS };
  const [ours, theirs] = [[] as number[], [] as number[]];
  for (let i = 0; i < RUNS; i += 1) {
    ours.push(await connectionCpuMs({ ...few, port: broker.port }));
    theirs.push(await connectionCpuMs({ ...few, port: bare.port }));
  }
  await broker.close();
  await bare.close();
  return benchRow(`connect/cpu ${retained} retained`, 'ms', ours, { 'bare broker': theirs });
}

/** This process' processor time for each of a row of connections; the devices are in another. */
async function connectionCpuMs(job: FleetJob): Promise<number> {
  const before = process.cpuUsage();
  const fleet = startFleet(job);
  await fleet.until((news) => news.done === true);
  const { user, system } = process.cpuUsage(before);
  fleet.end();
  return (user + system) / 1_000 / CONNECTIONS;
}

async function stormOf(hub: BenchHub, job: Job) {
  await hub.start();
  const share = Math.ceil(DEVICES / availableParallelism());
  const fleets = Array.from({ length: availableParallelism() }, (_, n) =>
    startFleet({ ...job, devices: job.devices.slice(n * share, (n + 1) * share), port: hub.port }),
  );
  const allBack = () =>
    Promise.all(fleets.map((fleet) => fleet.until((news) => news.back === fleet.devices)));
  try {
    await allBack();
    const none = Promise.all(fleets.map((fleet) => fleet.until((news) => news.back === 0)));
    await hub.stop('SIGKILL');
    await none;
    const started = performance.now();
    await hub.start();
    const startMs = performance.now() - started;
    const startCpuMs = await hub.cpuMs();
    await allBack();
    return { startMs, backMs: performance.now() - started, cpuMs: (await hub.cpuMs()) - startCpuMs };
  } finally {
    for (const fleet of fleets) fleet.end();
  }
}

function startFleet(job: FleetJob) {
  const child = fork(new URL('./connect-fleet.ts', import.meta.url));
  child.send(job);
  const until = (isIt: (news: FleetNews) => boolean) =>
    new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('bench: not every device came back')), STORM_MS_MAX);
      const look = (news: FleetNews) => {
        if (!isIt(news)) return;
        clearTimeout(late);
        child.off('message', look);
        resolve();
      };
      child.on('message', look);
      child.once('exit', (code) => reject(new Error(`bench: a part of the fleet ended with ${code}`)));
    });
  return { until, devices: job.devices.length, end: () => child.kill() };
}

/** The program itself, on one folder and port. */
class BenchHub {
  readonly #folder: string;
  #child: ChildProcess | undefined;
  port = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const main = fileURLToPath(new URL('../../hub/main.ts', import.meta.url));
    const ports = ['--http-port', '0', '--mqtt-port', String(this.port)];
    const child = spawn(
      process.execPath,
      [main, '--data', this.#folder, ...ports, '--log-level', 'error', '--json'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#child = child;
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout!.once('data', (data) => resolve(String(data)));
      child.once('exit', (code) => reject(new Error(`bench: the hub ended with ${code}`)));
    });
    this.port = (JSON.parse(line) as { mqtt: { port: number } }).mqtt.port;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Processor time it has taken so far, in ms. */
  async cpuMs(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child!.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * (1_000 / ticksPerSecond);
  }
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

type Job = Omit<FleetJob, 'port'>;

function openAuthority(folder: string): Promise<Authority> {
  return Authority.open(join(folder, 'pki'), { clock: systemClock, advertise: ['localhost'] });
}

/** Devices and their desired states, in the hub's own tables. All devices share one key, which no hub can see. */
async function enrolFleet(folder: string, count: number): Promise<Job> {
  const authority = await Authority.open(join(folder, 'pki'), {
    clock: systemClock,
    advertise: ['localhost'],
  });
  const caFile = await readFile(join(folder, 'pki/ca.pem'), 'utf8');
  const caKey = caFile.slice(0, caFile.indexOf('-----BEGIN CERTIFICATE'));
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const now = systemClock.now();
  const devices = Array.from({ length: count }, (_, n) => {
    const id = `device-${n}`;
    const { pem, serial, sha256 } = issueCertificate({
      commonName: id,
      publicKeyPem: keys.publicKey,
      issuerName: new X509Certificate(authority.caPem).subject.replace('CN=', ''),
      issuerKeyPem: caKey,
      notBefore: now - 60_000,
      notAfter: now + 86_400_000,
      purpose: 'device',
    });
    return { id, cert: pem, serial, sha256 };
  });
  const database = await openDatabase(join(folder, 'hub.db'));
  const online = await OnlineKeys.open(join(folder, 'keys'));
  const director = new Director({
    store: new DesiredStore(database),
    signer: { keyid: online.publicKeys.director.keyid, privateKey: online.director },
    broker: { retain: async () => undefined },
    clock: systemClock,
    logger: makeLogger('bench', 'error'),
  });
  const store = new DeviceStore(database);
  await store.transaction(async (tx) => {
    for (const { id, serial, sha256 } of devices) {
      await store.admit(
        {
          id,
          device_group: 'bench',
          certificate_serial: serial,
          certificate_sha256: sha256,
          certificate_expires_at: now + 86_400_000,
          facts: '{}',
          enrolled_at: now,
          revoked_at: null,
          last_seen_at: null,
          reported: null,
          reported_at: null,
        },
        tx,
      );
    }
    await director.assign(
      devices.map(({ id }) => ({
        deviceId: id,
        model: 'bench',
        version: '1.0.0',
        release: 1,
        manifestSha256: '0'.repeat(64),
        trial: { seconds: 60, minRequests: 1, maxErrorRate: 0.1, maxCrashes: 0 },
      })),
      tx,
    );
  });
  await database.destroy();
  return { ca: authority.caPem, key: keys.privateKey, devices };
}
