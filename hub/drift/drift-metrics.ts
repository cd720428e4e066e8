/** What was found of drift when it was last assessed, for `/metrics`. */
import { Gauge, type Registry } from 'prom-client';
import { DriftVerdict } from '../../shared/api/drift.ts';
import type { AssessedVersion } from './drift-watch.ts';

const verdicts = DriftVerdict.anyOf.map((literal) => literal.const);

export function addDriftMetrics(metrics: Registry, watch: { assessed(): readonly AssessedVersion[] }): void {
  const registers = [metrics];
  const labelNames = ['model', 'version', 'span'] as const;
  new Gauge({
    name: 'modelfleet_drift_verdict',
    help: '1 for the drift verdict on the version over all devices in the last hour or day that is over, 0 for the other verdicts',
    labelNames: [...labelNames, 'verdict'],
    registers,
    collect() {
      this.reset();
      for (const { report, span } of watch.assessed()) {
        const { model, version } = report;
        for (const verdict of verdicts) {
          this.set({ model, version, span, verdict }, report.verdict === verdict ? 1 : 0);
        }
      }
    },
  });
  new Gauge({
    name: 'modelfleet_drift_features',
    help: 'Features of the version by their verdict in the last hour or day that is over',
    labelNames: [...labelNames, 'verdict'],
    registers,
    collect() {
      this.reset();
      for (const { report, span } of watch.assessed()) {
        const { model, version, features } = report;
        for (const verdict of verdicts) {
          this.set(
            { model, version, span, verdict },
            features.filter((feature) => feature.verdict === verdict).length,
          );
        }
      }
    },
  });
  new Gauge({
    name: 'modelfleet_drift_devices',
    help: 'Devices whose own inputs or outputs drifted in the last hour or day that is over',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { report, span } of watch.assessed()) {
        const { model, version, devicesDrifted } = report;
        this.set({ model, version, span }, devicesDrifted);
      }
    },
  });
  new Gauge({
    name: 'modelfleet_drift_assessed_timestamp_seconds',
    help: 'When the version was last assessed, in seconds since the epoch',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { report, span, at } of watch.assessed()) {
        this.set({ model: report.model, version: report.version, span }, at / 1_000);
      }
    },
  });
}
