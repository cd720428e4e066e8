/** Figures of the telemetry ingest for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { IngestCounts } from './ingest.ts';

export function registerTelemetryMetrics(
  metrics: Registry,
  telemetry: { readonly counts: Readonly<IngestCounts> },
): void {
  new Counter({
    name: 'modelfleet_telemetry_reports_total',
    help: 'Telemetry reports by outcome: merged, duplicate, or the error code they were refused with',
    labelNames: ['outcome'],
    registers: [metrics],
    collect() {
      const { merged, duplicate, refused } = telemetry.counts;
      this.reset();
      this.inc({ outcome: 'merged' }, merged);
      this.inc({ outcome: 'duplicate' }, duplicate);
      for (const [code, count] of Object.entries(refused)) this.inc({ outcome: code }, count);
    },
  });
}

/** The disk space of telemetry, and its limit: above it the oldest is deleted before its time. */
export function addStoredTelemetryMetrics(
  metrics: Registry,
  stored: { readonly bytesMax: number; storedBytes(): Promise<number> },
): void {
  new Gauge({
    name: 'modelfleet_telemetry_stored_bytes',
    help: 'Approximate size of stored telemetry',
    registers: [metrics],
    async collect() {
      this.set(await stored.storedBytes().catch(() => Number.NaN));
    },
  });
  new Gauge({
    name: 'modelfleet_telemetry_stored_bytes_max',
    help: 'Size of stored telemetry above which the oldest is removed',
    registers: [metrics],
    collect() {
      this.set(stored.bytesMax);
    },
  });
}
