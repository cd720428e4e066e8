/**
 * The receiving side of the transfer bench, a process of its own: so many mTLS connections, each taking every chunk once. `pull` asks
 * as an agent does, with credit, and checks each chunk's digest; `listen` takes what a bare broker sends and counts bytes, or checks as well.
 * Speaks with its parent over IPC: `{ready}` once all are subscribed, `{go}`, `{taken}` now and then, and `{done, ms, bytes}`.
 */
import { createHash } from 'node:crypto';
import mqtt from 'mqtt';
import { limits } from '../../shared/base/limits.ts';
import { topics } from '../../shared/protocol/topics.ts';
import { throttledLine } from '../support/throttled-line.ts';

export interface ClientsJob {
  readonly mode: 'pull' | 'listen';
  readonly port: number;
  readonly ca: string;
  readonly devices: readonly { readonly id: string; readonly key: string; readonly cert: string }[];
  readonly manifest: string;
  readonly chunks: readonly string[];
  /** Topic the bare broker publishes on. */
  readonly topic: string;
  /** Whether those who listen check digests. */
  readonly checks?: boolean;
  /** Speed of each device's line; as fast as it comes when absent. */
  readonly bytesPerSecond?: number;
}

export type ClientsSay =
  | { readonly ready: true }
  /** Chunks that have come, to all of them together. */
  | { readonly taken: number }
  | { readonly done: true; readonly ms: number; readonly bytes: number };

const say = (words: ClientsSay): void => void process.send!(words);
let taken = 0;

function take(payload: Buffer, digest: string | undefined): void {
  if (digest !== undefined && createHash('sha256').update(payload).digest('hex') !== digest)
    throw new Error('a chunk is not what it is called');
  taken += 1;
  if (taken % 50 === 0) say({ taken });
}

process.once('message', (job: ClientsJob) => {
  void runJob(job);
});

async function runJob(job: ClientsJob): Promise<void> {
  const line = job.bytesPerSecond ? await throttledLine(job.port, job.bytesPerSecond) : job;
  const clients = await Promise.all(
    job.devices.map((device) => connect({ ...job, port: line.port }, device)),
  );
  say({ ready: true });
  await new Promise((resolve) => process.once('message', resolve));
  const started = performance.now();
  const bytes = await Promise.all(clients.map((client) => client.take()));
  say({ done: true, ms: performance.now() - started, bytes: bytes.reduce((sum, b) => sum + b, 0) });
  for (const client of clients) client.end();
}

async function connect(job: ClientsJob, device: ClientsJob['devices'][number]) {
  const client = await mqtt.connectAsync({
    protocol: 'mqtts',
    host: 'localhost',
    port: job.port,
    clientId: device.id,
    ca: job.ca,
    key: device.key,
    cert: device.cert,
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  const filters = job.mode === 'pull' ? [...topics.deviceFilters(device.id)] : [job.topic];
  await client.subscribeAsync(filters, { qos: 0 });
  return {
    take: () => (job.mode === 'pull' ? pull(client, job, device.id) : listen(client, job)),
    end: () => client.end(true),
  };
}

function listen(client: mqtt.MqttClient, job: ClientsJob): Promise<number> {
  return new Promise((resolve) => {
    let got = 0;
    let bytes = 0;
    client.on('message', (_topic, payload) => {
      take(payload, job.checks ? job.chunks[got] : undefined);
      bytes += payload.byteLength;
      got += 1;
      if (got === job.chunks.length) resolve(bytes);
    });
  });
}

function pull(client: mqtt.MqttClient, job: ClientsJob, id: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const waiting = [...job.chunks];
    let underWay = 0;
    let bytes = 0;
    let request = 0;
    const ask = (): void => {
      const chunks = waiting.splice(0, limits.chunksInFlightPerDevice - underWay);
      if (chunks.length === 0) return;
      underWay += chunks.length;
      request += 1;
      client.publish(
        topics.device(id, 'chunk/get'),
        JSON.stringify({ v: 1, request, manifest: job.manifest, chunks, queue: true }),
        { qos: 1 },
      );
    };
    client.on('message', (topic, payload) => {
      const leaf = topic.slice(topic.lastIndexOf('/') + 1);
      if (leaf === 'error') {
        const { code } = JSON.parse(payload.toString()) as { code: string };
        // Who stands in line is called.
        if (code !== 'queued') reject(new Error(`${id}: ${code}`));
        return;
      }
      if (!topic.includes('/chunk/') || have.has(leaf)) return;
      take(payload, leaf);
      have.add(leaf);
      bytes += payload.byteLength;
      underWay -= 1;
      if (have.size === job.chunks.length) return resolve(bytes);
      if (underWay <= limits.chunksInFlightPerDevice / 2) ask();
    });
    const have = new Set<string>();
    ask();
  });
}
