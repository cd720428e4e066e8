/** What left because it was kept long enough, for `/metrics`. */
import { Counter, type Registry } from 'prom-client';
import type { Retention } from './retention.ts';

export function addRetentionMetrics(metrics: Registry, retention: Pick<Retention, 'removed'>): void {
  const registers = [metrics];
  const labelNames = ['kind'] as const;
  new Counter({
    name: 'modelfleet_retention_removed_total',
    help: 'Items that retention removed',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const [kind, { count }] of retention.removed) this.inc({ kind }, count);
    },
  });
  new Counter({
    name: 'modelfleet_retention_removed_bytes_total',
    help: 'Approximate size of the items that retention removed',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const [kind, { bytes }] of retention.removed) this.inc({ kind }, bytes);
    },
  });
}
