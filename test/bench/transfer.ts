/**
 * Versions on their way to devices over mTLS, pulled with credit through the hub's own broker, transfer service and blob store, each
 * chunk verified on arrival.
 * `transfer/fan-out-50`: against a bare aedes on the same TLS that sends the same bytes to fifty subscribers unasked and unchecked.
 * `transfer/fan-out-200`: 20 MB to two hundred, against Mosquitto where it is installed (the bare broker otherwise); its subscribers
 * check digests as well.
 * `transfer/fast-beside-slow`: how long a device takes for 20 MB beside a hundred on lines of 1 Mbit/s, against alone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from '../../hub/pki/authority.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { findMosquitto } from './mosquitto.ts';
import { type Content, makeContent, makeDevices, startClients } from './transfer-fleet.ts';
import { startTransferHub } from './transfer-hub.ts';
import { type Sender, startBareSender, startMosquittoSender } from './transfer-senders.ts';

const RUNS = 3;
/** 20 MB. */
const CHUNKS = 80;
const SLOW_DEVICES = 100;
const SLOW_BYTES_PER_SECOND = 125_000;

interface Bench {
  readonly authority: Authority;
  readonly folder: string;
}

export async function run(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  try {
    const authority = await Authority.open(join(folder, 'pki'), {
      clock: systemClock,
      advertise: ['localhost'],
    });
    const bench = { authority, folder };
    return [await fanOut50(bench), await fanOut200(bench), await fastBesideSlow(bench)];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fanOut50(bench: Bench): Promise<BenchRow> {
  const content = makeContent(32);
  const devices = await makeDevices(bench.authority, 50);
  const ours: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    ours.push(await pulled(bench, content, devices));
    bare.push(await sent(await startBareSender(bench.authority), { bench, content, devices, checks: false }));
  }
  return benchRow('transfer/fan-out-50', 'MB/s', ours, { 'bare broker': bare });
}

async function fanOut200(bench: Bench): Promise<BenchRow> {
  const content = makeContent(CHUNKS);
  const devices = await makeDevices(bench.authority, 200);
  const mosquitto = await findMosquitto();
  const ours: number[] = [];
  const peer: number[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    ours.push(await pulled(bench, content, devices));
    const sender = mosquitto
      ? await startMosquittoSender(mosquitto, bench.authority)
      : await startBareSender(bench.authority);
    peer.push(await sent(sender, { bench, content, devices, checks: true }));
  }
  const name = mosquitto ? 'Mosquitto' : 'bare broker';
  return benchRow('transfer/fan-out-200', 'MB/s', ours, { [name]: peer });
}

async function fastBesideSlow(bench: Bench): Promise<BenchRow> {
  const content = makeContent(CHUNKS);
  const [fast, ...slow] = await makeDevices(bench.authority, 1 + SLOW_DEVICES);
  const hub = await startTransferHub({ ...bench, ...content });
  const job = { mode: 'pull', port: hub.port, ca: bench.authority.caPem, ...content.job } as const;
  const fastMs = async (): Promise<number> => {
    const clients = await startClients({ ...job, devices: [fast!] });
    try {
      return (await clients.go()).ms;
    } finally {
      clients.stop();
    }
  };
  try {
    const alone: number[] = [];
    for (let i = 0; i < RUNS; i += 1) alone.push(await fastMs());
    const crowd = await startClients({ ...job, devices: slow, bytesPerSecond: SLOW_BYTES_PER_SECOND });
    try {
      const before = hub.transfer.bytesSent;
      // Killed in the midst of it.
      crowd.go().catch(() => undefined);
      const wanted = 5 * SLOW_DEVICES * limits.chunkBytes;
      while (hub.transfer.bytesSent - before < wanted) await systemClock.sleep(100);
      const beside: number[] = [];
      for (let i = 0; i < RUNS; i += 1) beside.push(await fastMs());
      return benchRow('transfer/fast-beside-slow', 'ms', beside, { alone });
    } finally {
      crowd.stop();
    }
  } finally {
    await hub.close();
  }
}

type Devices = Awaited<ReturnType<typeof makeDevices>>;

/** MB/s that devices took from our hub, all together. */
async function pulled(bench: Bench, content: Content, devices: Devices): Promise<number> {
  const hub = await startTransferHub({ ...bench, ...content });
  try {
    const clients = await startClients({
      mode: 'pull',
      port: hub.port,
      ca: bench.authority.caPem,
      ...content.job,
      devices,
    });
    try {
      return (await clients.go()).megabytesPerSecond;
    } finally {
      clients.stop();
    }
  } finally {
    await hub.close();
  }
}

interface SentProps {
  readonly bench: Bench;
  readonly content: Content;
  readonly devices: Devices;
  readonly checks: boolean;
}

/** MB/s that a broker brought to subscribers, all together. */
async function sent(sender: Sender, { bench, content, devices, checks }: SentProps): Promise<number> {
  try {
    const clients = await startClients({
      mode: 'listen',
      checks,
      port: sender.port,
      ca: bench.authority.caPem,
      ...content.job,
      devices,
    });
    try {
      const done = clients.go();
      await sender.send(
        content.job.topic,
        [...content.chunks.values()],
        () => clients.chunksTaken / devices.length,
      );
      return (await done).megabytesPerSecond;
    } finally {
      clients.stop();
    }
  } finally {
    await sender.close();
  }
}
