/** What blobs take up, and how much they may, for `/metrics`. */
import { Gauge, type Registry } from 'prom-client';
import type { BlobLedger } from './blob-ledger.ts';
import { storedBytes } from './upload-quotas.ts';

export function addBlobMetrics(metrics: Registry, ledger: Pick<BlobLedger, 'totals' | 'quotas'>): void {
  new Gauge({
    name: 'modelfleet_blob_bytes',
    help: 'What stored blobs take up that versions name, and those that none names',
    labelNames: ['named'] as const,
    registers: [metrics],
    async collect() {
      const { named, unnamed } = storedBytes(await ledger.totals());
      this.set({ named: 'yes' }, named);
      this.set({ named: 'no' }, unnamed);
    },
  });
  const { storageMaxBytes, uploadMaxBytes } = ledger.quotas;
  new Gauge({
    name: 'modelfleet_blob_quota_bytes',
    help: 'What all blobs, and those that no version names, may take up',
    labelNames: ['of'] as const,
    registers: [metrics],
    collect() {
      this.set({ of: 'all' }, storageMaxBytes);
      this.set({ of: 'unnamed' }, uploadMaxBytes);
    },
  });
}
