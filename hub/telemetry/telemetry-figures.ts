/** Telemetry of one version over a span of time, summed over devices. */
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
  /** Counts by feature, laid out as in the version's reference profile; features that no device reported are absent. */
  readonly features: readonly FeatureCounts[];
  readonly labels: LabelFigures | undefined;
  /** Windows that devices had to drop before they could send them. */
  readonly dropped: number;
  /** Ids of the devices that reported, sorted. */
  readonly devices: readonly string[];
}

/** Which windows: one version, all devices or those named, buckets that overlap [fromMs, toMs). */
export interface FigureQuery {
  readonly model: string;
  readonly version: string;
  readonly devices?: ReadonlySet<string> | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}
