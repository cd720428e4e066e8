/**
 * `telemetry/durable`: reports of eight features a second, from a hundred devices in another process, over mTLS through
 * the hub's own broker, checked, merged and committed with `synchronous=FULL` before each acknowledgement; against a bare
 * aedes on the same TLS that acknowledges the same payloads and keeps nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCsr } from '../../agent/connection/csr.ts';
import { AedesBroker } from '../../hub/broker/aedes-broker.ts';
import { openDatabase } from '../../hub/db/database.ts';
import { judgeHour } from '../../hub/drift/hour-verdict.ts';
import { DeviceInbox } from '../../hub/inbox/device-inbox.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { EvidenceStore } from '../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { encodeTelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { LatencySketch } from '../../shared/sketch/latency-sketch.ts';
import {
  offeredToAll,
  presentAll,
  publishedVersion,
  report,
  uniformProfile,
  versionsOf,
} from '../support/profiles.ts';
import { startBareBroker } from './bare-broker.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { measureFigures } from './telemetry-figures.ts';
import type { SendersJob } from './telemetry-senders.ts';
import { measureStored } from './telemetry-stored.ts';
import { measureVerdicts } from './telemetry-verdict.ts';
import { measureWindows } from './telemetry-window.ts';

const DEVICES = 100;
const FEATURES = 8;
const RUNS = 3;
const RUN_MS = 4_000;
/** Numbers from here on take five bytes of CBOR, so that a sender can count up in place. */
const FIRST_NUMBER = 1 << 20;

export async function run(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  try {
    const authority = await Authority.open(join(folder, 'pki'), {
      clock: systemClock,
      advertise: ['localhost'],
    });
    const ours: number[] = [];
    const bare: number[] = [];
    const job = makeJob(authority);
    for (let i = 0; i < RUNS; i += 1) {
      ours.push(await measureOurs(authority, join(folder, `hub-${i}.db`), job));
      bare.push(await measureBare(authority, job));
    }
    return [
      benchRow('telemetry/durable', 'reports/s', ours, { 'bare broker, nothing kept': bare }),
      await measureStored(folder),
      ...measureWindows(),
      ...(await measureVerdicts(folder)),
      ...(await measureFigures(folder)),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Job = Omit<SendersJob, 'port'>;

const version = publishedVersion({ profile: uniformProfile(FEATURES) });

/** All devices share one key: making a hundred takes longer than the bench. */
function makeJob(authority: Authority): Job {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const latency = new LatencySketch();
  for (let i = 0; i < 60; i += 1) latency.add(1 + i / 7);
  const moments = { n: 60, sum: 1.234_567, sumSquares: 5.432_1 };
  const base = report(version, { rows: 60, latency: latency.bins(), number: FIRST_NUMBER });
  const bytes = encodeTelemetryReport({
    ...base,
    features: base.features.map((f) => ({ ...f, counts: f.counts.map((_, i) => (i * 7) % 13), moments })),
  });
  const marker = Buffer.from([0x1a, 0, 0, 0, 0]);
  marker.writeUInt32BE(FIRST_NUMBER, 1);
  return {
    ca: authority.caPem,
    key: privateKey,
    devices: Array.from({ length: DEVICES }, (_, i) => {
      const id = `bench-${i}`;
      return { id, cert: authority.signDeviceCsr(makeCsr(id, publicKey, privateKey), id).certificatePem };
    }),
    underWay: 16,
    forMs: RUN_MS,
    report: Buffer.from(bytes).toString('base64'),
    numberAt: Buffer.from(bytes).indexOf(marker) + 1,
    firstNumber: FIRST_NUMBER,
  };
}

async function measureOurs(authority: Authority, file: string, job: Job): Promise<number> {
  const logger = makeLogger('bench', 'error');
  const database = await openDatabase(file);
  const inbox = new DeviceInbox({ database, logger });
  const telemetry = new TelemetryService({
    inbox,
    database,
    judge: judgeHour,
    evidence: new EvidenceStore(database),
    assignments: offeredToAll,
    fleet: presentAll,
    versions: versionsOf(version),
    clock: systemClock,
    logger,
    bucketMs: 60_000,
  });
  const broker = new AedesBroker({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
    listen: { host: '127.0.0.1', port: 0 },
    isAdmitted: async () => true,
    logger,
  });
  await broker.start({
    message: ({ deviceId, payload }) => telemetry.receive(deviceId, payload),
    connected: () => undefined,
    disconnected: () => undefined,
  });
  const { perSecond, acknowledged } = await runSenders({ ...job, port: broker.port });
  await broker.close();
  await inbox.close();
  const span = { model: version.model, version: version.version, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
  const { reports } = await telemetry.figures(span);
  await database.destroy();
  if (reports !== acknowledged) {
    throw new Error(`bench: ${acknowledged} reports were acknowledged and ${reports} are stored`);
  }
  return perSecond;
}

async function measureBare(authority: Authority, job: Job): Promise<number> {
  const broker = await startBareBroker(authority);
  const { perSecond } = await runSenders({ ...job, port: broker.port });
  await broker.close();
  return perSecond;
}

async function runSenders(
  job: SendersJob,
): Promise<{ readonly perSecond: number; readonly acknowledged: number }> {
  const child = fork(new URL('./telemetry-senders.ts', import.meta.url));
  try {
    child.send(job);
    await answer(child);
    child.send({ go: true });
    const { acknowledged, ms } = (await answer(child)) as { acknowledged: number; ms: number };
    return { perSecond: (acknowledged / ms) * 1_000, acknowledged };
  } finally {
    child.kill();
  }
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`bench: the senders ended with ${code}`)));
  });
}
