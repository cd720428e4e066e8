import { Counter, Gauge, type Registry } from 'prom-client';
import { freeBytes } from '../../platform/free-bytes.ts';
import type { StorageWatch } from './storage-watch.ts';

/** Failures of disk and database, whether they persist, and how much space is free. */
export function addStorageMetrics(registry: Registry, watch: StorageWatch, folder: string): void {
  const registers = [registry];
  new Gauge({
    name: 'modelfleet_storage_fault',
    help: '1 while the disk or the database fails in this way',
    labelNames: ['code'] as const,
    registers,
    collect() {
      for (const { code, stands } of watch.figures()) this.set({ code }, stands ? 1 : 0);
    },
  });
  new Counter({
    name: 'modelfleet_storage_failures_total',
    help: 'Reads and writes that the disk or the database refused',
    labelNames: ['code'] as const,
    registers,
    collect() {
      this.reset();
      for (const { code, failures } of watch.figures()) this.inc({ code }, failures);
    },
  });
  new Gauge({
    name: 'modelfleet_disk_free_bytes',
    help: 'Free space on the disk of the data folder',
    registers,
    async collect() {
      this.set(await freeBytes(folder).catch(() => Number.NaN));
    },
  });
}
