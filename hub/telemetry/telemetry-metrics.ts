/** Figures of the telemetry ingest for `/metrics`. */
import { Counter, type Registry } from 'prom-client';
import type { IngestCounts } from './ingest.ts';

export function registerTelemetryMetrics(
  metrics: Registry,
  telemetry: { readonly counts: Readonly<IngestCounts> },
): void {
  new Counter({
    name: 'modelfleet_telemetry_reports_total',
    help: 'Telemetry reports received, by what became of them: merged, duplicate, or the code they were refused with',
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
