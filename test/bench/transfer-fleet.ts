/** What the transfer benches send, and the devices that take it: a process of their own (transfer-clients.ts). */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { makeKeyAndCsr } from '../../agent/connection/csr.ts';
import type { Authority } from '../../hub/pki/authority.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ClientsJob, ClientsSay } from './transfer-clients.ts';

export interface Content {
  readonly manifest: string;
  readonly chunks: ReadonlyMap<string, Uint8Array>;
  readonly job: Pick<ClientsJob, 'manifest' | 'chunks' | 'topic'>;
}

export function makeContent(count: number): Content {
  const chunks = new Map(
    Array.from({ length: count }, () => {
      const bytes = randomBytes(limits.chunkBytes);
      return [createHash('sha256').update(bytes).digest('hex'), bytes] as const;
    }),
  );
  const manifest = 'a'.repeat(64);
  return { manifest, chunks, job: { manifest, chunks: [...chunks.keys()], topic: 'bench/chunk' } };
}

export async function makeDevices(authority: Authority, count: number): Promise<ClientsJob['devices']> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const id = `bench-${i}`;
      const { keyPem, csrPem } = await makeKeyAndCsr(id);
      return { id, key: keyPem, cert: authority.signDeviceCsr(csrPem, id).certificatePem };
    }),
  );
}

export interface Taken {
  readonly ms: number;
  readonly megabytesPerSecond: number;
}

export interface Clients {
  /** Chunks that came so far, to all of them. */
  readonly chunksTaken: number;
  /** Lets them begin; resolves when each has everything. */
  go(): Promise<Taken>;
  stop(): void;
}

/** Resolves when all are connected and subscribed. */
export async function startClients(job: ClientsJob): Promise<Clients> {
  const child = fork(new URL('./transfer-clients.ts', import.meta.url), { serialization: 'advanced' });
  let chunksTaken = 0;
  child.on('message', (said: ClientsSay) => {
    if ('taken' in said) chunksTaken = said.taken;
  });
  child.send(job);
  await received(child, 'ready');
  return {
    get chunksTaken() {
      return chunksTaken;
    },
    async go() {
      child.send({ go: true });
      const { ms, bytes } = await received(child, 'done');
      return { ms, megabytesPerSecond: bytes / 1e6 / (ms / 1_000) };
    },
    stop: () => void child.kill(),
  };
}

function received<Key extends 'ready' | 'done'>(
  child: ChildProcess,
  key: Key,
): Promise<Extract<ClientsSay, Record<Key, true>>> {
  return new Promise((resolve, reject) => {
    const listen = (said: ClientsSay): void => {
      if (!(key in said)) return;
      child.off('message', listen);
      resolve(said as Extract<ClientsSay, Record<Key, true>>);
    };
    child.on('message', listen);
    child.once('exit', (code) => reject(new Error(`the bench's clients ended with ${code}`)));
  });
}
