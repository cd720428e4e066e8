/**
 * `events/burst`: 10 000 events at once, from 10 and from 1 000 devices in another process, over mTLS to a whole hub, each stored before it
 * is acknowledged; meanwhile one quiet device in a third process sends one event after the other. `reports/burst`: the same with what
 * devices report of themselves. Against a bare aedes on the same TLS that acknowledges the same messages and keeps nothing.
 * Stillness: the longest time the event loop did not go on; work: the longest time its thread worked without going on, which other
 * programs on the machine do not lengthen.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { makeCsr } from '../../agent/connection/csr.ts';
import { hubOptionTable } from '../../hub/config/options-schema.ts';
import { openDatabase } from '../../hub/db/database.ts';
import { createHub } from '../../hub/hub.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { makeLogger } from '../../platform/logger.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { deviceRow } from '../support/device-row.ts';
import { startBareBroker } from './bare-broker.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import type { EventSendersJob } from './event-senders.ts';

const EVENTS = 10_000;
const BURSTS = [
  { name: 'events/burst 10', leaf: 'events', senders: 10 },
  { name: 'events/burst 1000', leaf: 'events', senders: 1_000 },
  { name: 'reports/burst 1000', leaf: 'reported', senders: 1_000 },
] as const;
const RUNS = 3;

export async function run(): Promise<BenchRow[]> {
  const data = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  try {
    const devices = await prepare(data);
    const rows: BenchRow[] = [];
    for (const { name, ...burst } of BURSTS) {
      const ours: Figures[] = [];
      const bare: Figures[] = [];
      for (let n = 0; n < RUNS; n += 1) {
        const run = { ...devices, ...burst, run: `${burst.senders}-${n}` };
        ours.push(await measureHub(data, run));
        bare.push(await measureBare(data, run));
      }
      const row = (what: string, unit: string, of: (figures: Figures) => number) =>
        benchRow(`${name} ${what}`, unit, ours.map(of), {
          'bare broker, nothing kept': bare.map(of),
        });
      rows.push(
        row('stillness', 'ms', ({ stillMs }) => stillMs),
        row('work', 'ms', ({ workMs }) => workMs),
        row('neighbour p50', 'ms', ({ neighbour }) => quantile(neighbour, 0.5)),
        row('neighbour p99', 'ms', ({ neighbour }) => quantile(neighbour, 0.99)),
        row('neighbour max', 'ms', ({ neighbour }) => quantile(neighbour, 1)),
        row('rate', 'messages/s', ({ ms }) => (EVENTS / ms) * 1_000),
      );
    }
    return rows;
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

interface Figures {
  readonly stillMs: number;
  readonly workMs: number;
  readonly ms: number;
  /** How long each event of the quiet device waited for its acknowledgement. */
  readonly neighbour: readonly number[];
}

interface Devices {
  readonly ca: string;
  readonly key: string;
  readonly devices: EventSendersJob['devices'];
}

type Run = Devices & Pick<EventSendersJob, 'leaf' | 'run'> & { readonly senders: number };

/** Makes a hub's folder that knows all devices. They share one key: making a thousand takes longer than the bench. */
async function prepare(data: string): Promise<Devices> {
  const hub = createHub(optionsOf(data), environment);
  await hub.start();
  await hub.stop();
  const authority = await Authority.open(join(data, 'pki'), { clock: systemClock, advertise: ['localhost'] });
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const database = await openDatabase(join(data, 'hub.db'));
  const devices: { id: string; cert: string }[] = [];
  for (let n = 0; n <= Math.max(...BURSTS.map(({ senders }) => senders)); n += 1) {
    const id = n === 0 ? 'quiet' : `loud-${n}`;
    const issued = authority.signDeviceCsr(makeCsr(id, publicKey, privateKey), id);
    devices.push({ id, cert: issued.certificatePem });
    const row = { ...deviceRow(id), certificate_sha256: issued.sha256 };
    await database.insertInto('device').values(row).execute();
  }
  await database.destroy();
  return { ca: authority.caPem, key: privateKey, devices };
}

const environment = { clock: systemClock, random: Math.random, logger: makeLogger('bench', 'error') };

function optionsOf(data: string) {
  const options = resolveOptions(hubOptionTable, []);
  return { ...options, data, httpPort: 0, mqttPort: 0, httpHost: '127.0.0.1', mqttHost: '127.0.0.1' };
}

async function measureHub(data: string, run: Run): Promise<Figures> {
  const hub = createHub(optionsOf(data), environment);
  try {
    const { mqtt } = await hub.start();
    return await measure(mqtt.port, run);
  } finally {
    await hub.stop();
  }
}

async function measureBare(data: string, run: Run): Promise<Figures> {
  const authority = await Authority.open(join(data, 'pki'), { clock: systemClock, advertise: ['localhost'] });
  const broker = await startBareBroker(authority);
  try {
    return await measure(broker.port, run);
  } finally {
    await broker.close();
  }
}

async function measure(port: number, { ca, key, devices, senders, leaf, run }: Run): Promise<Figures> {
  const [quietDevice, ...loudDevices] = devices;
  const job = { port, ca, key, leaf, run };
  const loud = fork(new URL('./event-senders.ts', import.meta.url));
  const quiet = fork(new URL('./event-senders.ts', import.meta.url));
  try {
    loud.send({ ...job, devices: loudDevices.slice(0, senders), eventsEach: EVENTS / senders });
    await answer(loud);
    quiet.send({ ...job, devices: [quietDevice] });
    await answer(quiet);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const endOfWork = watchWork();
    quiet.send({ go: true });
    loud.send({ go: true });
    const { ms } = (await answer(loud)) as { ms: number };
    delay.disable();
    const workMs = endOfWork();
    quiet.send({ stop: true });
    const { acknowledgedMs } = (await answer(quiet)) as { acknowledgedMs: number[] };
    return { stillMs: delay.max / 1e6, workMs, ms, neighbour: acknowledgedMs };
  } finally {
    loud.kill();
    quiet.kill();
  }
}

/** Ends with the longest time in milliseconds that this thread worked between two ticks of a timer. */
function watchWork(): () => number {
  let longest = 0;
  let before = process.threadCpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, user + system);
    before = process.threadCpuUsage();
  }, 1);
  return () => {
    clearInterval(timer);
    return longest / 1_000;
  };
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`bench: the senders ended with ${code}`)));
  });
}

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))]!;
}
