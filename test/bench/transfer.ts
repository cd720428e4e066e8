/**
 * `transfer/fan-out-50`: one version to fifty devices over mTLS, pulled with credit through the hub's own broker, transfer service and
 * blob store, each chunk verified on arrival; against a bare aedes on the same TLS that sends the same bytes to
 * fifty subscribers unasked and unchecked.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeKeyAndCsr } from '../../agent/connection/csr.ts';
import { AedesBroker } from '../../hub/broker/aedes-broker.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { DiskBlobStore } from '../../hub/transfer/disk-blob-store.ts';
import { HotBlobStore } from '../../hub/transfer/hot-blob-store.ts';
import { TransferService } from '../../hub/transfer/transfer-service.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { startBareBroker } from './bare-broker.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import type { ClientsJob } from './transfer-clients.ts';

const DEVICES = 50;
const CHUNKS = 32;
const RUNS = 3;

export async function run(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  try {
    const authority = await Authority.open(join(folder, 'pki'), {
      clock: systemClock,
      advertise: ['localhost'],
    });
    const devices = await Promise.all(
      Array.from({ length: DEVICES }, async (_, i) => {
        const id = `bench-${i}`;
        const { keyPem, csrPem } = await makeKeyAndCsr(id);
        return { id, key: keyPem, cert: authority.signDeviceCsr(csrPem, id).certificatePem };
      }),
    );
    const chunks = new Map(
      Array.from({ length: CHUNKS }, () => {
        const bytes = randomBytes(limits.chunkBytes);
        return [createHash('sha256').update(bytes).digest('hex'), bytes] as const;
      }),
    );
    const job = {
      ca: authority.caPem,
      devices,
      manifest: 'a'.repeat(64),
      chunks: [...chunks.keys()],
      topic: 'bench/chunk',
    };
    const ours: number[] = [];
    const bare: number[] = [];
    for (let i = 0; i < RUNS; i += 1) {
      ours.push(await measureOurs(authority, folder, job, chunks));
      bare.push(await measureBare(authority, job, chunks));
    }
    return [benchRow('transfer/fan-out-50', 'MB/s', ours, { 'bare broker': bare })];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Job = Omit<ClientsJob, 'mode' | 'port'>;
type Chunks = ReadonlyMap<string, Uint8Array>;

async function measureOurs(authority: Authority, folder: string, job: Job, chunks: Chunks): Promise<number> {
  const blobs = new HotBlobStore({
    store: new DiskBlobStore(join(folder, 'blobs')),
    bytesMax: limits.hotBlobBytesMax,
  });
  for (const [digest, bytes] of chunks) await blobs.put(digest, bytes);
  const logger = makeLogger('bench', 'silent');
  const broker = new AedesBroker({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
    listen: { host: '127.0.0.1', port: 0 },
    isAdmitted: async () => true,
    logger,
  });
  const offered = new Set([job.manifest]);
  const transfer = new TransferService({
    broker,
    blobs,
    director: { offered: async () => offered },
    versions: { hasChunk: async (_manifest, chunk) => chunks.has(chunk) },
    clock: systemClock,
    logger,
  });
  await broker.start({
    message: ({ deviceId, leaf, payload }) =>
      leaf === 'chunk/get' ? transfer.receive(deviceId, payload) : Promise.resolve(),
    connected: () => undefined,
    disconnected: () => undefined,
  });
  try {
    return await timeClients({ ...job, mode: 'pull', port: broker.port }, async () => undefined);
  } finally {
    await broker.close();
  }
}

async function measureBare(authority: Authority, job: Job, chunks: Chunks): Promise<number> {
  const broker = await startBareBroker(authority);
  try {
    return await timeClients({ ...job, mode: 'listen', port: broker.port }, async () => {
      for (const payload of chunks.values()) {
        await new Promise<void>((resolve, reject) => {
          const packet = {
            cmd: 'publish',
            topic: job.topic,
            payload: Buffer.from(payload),
            qos: 0,
            retain: false,
            dup: false,
          } as const;
          broker.aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
        });
      }
    });
  } finally {
    await broker.close();
  }
}

/** Starts the clients, lets `send` do the broker's part, returns MB/s delivered to all of them. */
async function timeClients(job: ClientsJob, send: () => Promise<void>): Promise<number> {
  const clients = fork(new URL('./transfer-clients.ts', import.meta.url), { serialization: 'advanced' });
  try {
    clients.send(job);
    await next(clients);
    clients.send({ go: true });
    const done = next(clients);
    await send();
    const { ms, bytes } = (await done) as { ms: number; bytes: number };
    return bytes / 1e6 / (ms / 1_000);
  } finally {
    clients.kill();
  }
}

function next(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the bench's clients ended with ${code}`)));
  });
}
