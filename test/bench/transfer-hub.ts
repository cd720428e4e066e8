/** The parts of a hub that bring chunks to devices: its own broker, transfer service and blob store on a disk. */
import { join } from 'node:path';
import { AedesBroker } from '../../hub/broker/aedes-broker.ts';
import type { Authority } from '../../hub/pki/authority.ts';
import { DiskBlobStore } from '../../hub/transfer/disk-blob-store.ts';
import { HotBlobStore } from '../../hub/transfer/hot-blob-store.ts';
import { TransferService } from '../../hub/transfer/transfer-service.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { limits } from '../../shared/base/limits.ts';

export interface TransferHubProps {
  readonly authority: Authority;
  readonly folder: string;
  /** What every device is offered. */
  readonly manifest: string;
  readonly chunks: ReadonlyMap<string, Uint8Array>;
}

export async function startTransferHub({ authority, folder, manifest, chunks }: TransferHubProps) {
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
  const offered = new Set([manifest]);
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
  return { port: broker.port, transfer, close: () => broker.close() };
}
