/** What telemetry of one version adds up to. */
import type { FeatureCounts, LabelFigures } from '../../shared/protocol/telemetry-report.ts';
import type { LatencySketch } from '../../shared/sketch/latency-sketch.ts';

/** Requests whose tensors did not fit the version's interface. */
export interface RefusedRequests {
  readonly all: number;
  /** Those of them that the previous version would have accepted: clients that this version broke. */
  readonly fitBefore: number;
}

export interface TelemetryFigures {
  /** Windows merged. */
  readonly reports: number;
  readonly requests: {
    readonly ok: number;
    readonly failed: Readonly<Record<string, number>>;
    readonly refused: RefusedRequests;
  };
  readonly crashes: number;
  readonly latency: LatencySketch;
  /** Counts by feature, laid out as the version's reference profile says; features that were not reported are absent. */
  readonly features: readonly FeatureCounts[];
  readonly labels: LabelFigures | undefined;
  /** Windows that devices had to drop before they could send them. */
  readonly dropped: number;
}

/** Failed requests of all codes. */
export function failedOf({ requests }: Pick<TelemetryFigures, 'requests'>): number {
  return Object.values(requests.failed).reduce((sum, n) => sum + n, 0);
}

/** Which windows: one version, all devices or those of a group, what was merged in spans that overlap [fromMs, toMs). */
export interface FigureQuery {
  readonly model: string;
  readonly version: string;
  readonly group?: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}
