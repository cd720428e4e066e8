/** What left because it was kept long enough, for `/metrics`. */
import { Counter, type Registry } from 'prom-client';
import type { Retention } from './retention.ts';

export function addRetentionMetrics(metrics: Registry, retention: Pick<Retention, 'removed'>): void {
  const registers = [metrics];
  const labelNames = ['kind'] as const;
  new Counter({
    name: 'modelfleet_retention_removed_total',
    help: 'Things that left because they were kept as long as the options say',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const [kind, { count }] of retention.removed) this.inc({ kind }, count);
    },
  });
  new Counter({
    name: 'modelfleet_retention_removed_bytes_total',
    help: 'About the bytes that they took up',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const [kind, { bytes }] of retention.removed) this.inc({ kind }, bytes);
    },
  });
}
