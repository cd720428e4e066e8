/** What blobs take up, and how much they may, for `/metrics`. */
import { Gauge, type Registry } from 'prom-client';
import type { BlobLedger } from './blob-ledger.ts';
import { storedBytes } from './upload-quotas.ts';

export function addBlobMetrics(metrics: Registry, ledger: Pick<BlobLedger, 'totals' | 'quotas'>): void {
  new Gauge({
    name: 'modelfleet_blob_bytes',
    help: 'Bytes of stored blobs: by whether a version references them',
    labelNames: ['referenced'] as const,
    registers: [metrics],
    async collect() {
      const { referenced, unreferenced } = storedBytes(await ledger.totals());
      this.set({ referenced: 'yes' }, referenced);
      this.set({ referenced: 'no' }, unreferenced);
    },
  });
  const { storageMaxBytes, uploadMaxBytes } = ledger.quotas;
  new Gauge({
    name: 'modelfleet_blob_quota_bytes',
    help: 'Most bytes that all blobs, and blobs that no version references, may take',
    labelNames: ['of'] as const,
    registers: [metrics],
    collect() {
      this.set({ of: 'all' }, storageMaxBytes);
      this.set({ of: 'unreferenced' }, uploadMaxBytes);
    },
  });
}
