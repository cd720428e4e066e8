/** Figures as the API shows them. */
import type { VersionFigures } from '../../shared/api/telemetry.ts';
import { labelledAnswers } from '../../shared/sketch/label-sums.ts';
import { labelError } from './label-error.ts';
import type { TelemetryFigures } from './telemetry-figures.ts';

interface ShownVersion {
  readonly version: string;
  readonly devices: number;
  readonly classes: readonly string[] | undefined;
}

/** Without `classes` labels are not counted by class. */
export function show({ version, devices, classes }: ShownVersion, figures: TelemetryFigures): VersionFigures {
  const { latency, requests, crashes, dropped, reports } = figures;
  const labels = labelError(figures.labels, classes);
  return {
    version,
    devices,
    windows: reports,
    requests: { ok: requests.ok, failed: { ...requests.failed }, refused: { ...requests.refused } },
    crashes,
    ...(latency.count > 0
      ? {
          latencyMs: {
            p50: latency.quantileMs(0.5)!,
            p95: latency.quantileMs(0.95)!,
            p99: latency.quantileMs(0.99)!,
          },
        }
      : {}),
    ...(labels ? { labels } : {}),
    ...(labels && requests.ok > 0 ? { labelledShare: labelledAnswers(figures.labels!) / requests.ok } : {}),
    dropped,
  };
}
