/** What blobs take up, and how much they may, for `/metrics`. */
import { Gauge, type Registry } from 'prom-client';
import type { BlobLedger } from './blob-ledger.ts';
import { storedBytes } from './upload-quotas.ts';

export function addBlobMetrics(metrics: Registry, ledger: Pick<BlobLedger, 'totals' | 'quotas'>): void {
  new Gauge({
    name: 'modelfleet_blob_bytes',
    help: 'What stored blobs take up of versions, and those that no version references',
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
    help: 'What all blobs, and those that no version references, may take up',
    labelNames: ['of'] as const,
    registers: [metrics],
    collect() {
      this.set({ of: 'all' }, storageMaxBytes);
      this.set({ of: 'unreferenced' }, uploadMaxBytes);
    },
  });
}
