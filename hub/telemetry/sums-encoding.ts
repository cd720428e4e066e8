/**
 * How sums of telemetry are stored: CBOR, by place and not by name, for a sum holds few counts of many features and the names
 * of fields would take more than the counts. Also reads the maps that were stored before.
 */
import { decodeCbor, encodeCbor } from '../../shared/base/cbor.ts';
import { limits } from '../../shared/base/limits.ts';
import type { FeatureCounts, LabelFigures } from '../../shared/protocol/telemetry-report.ts';
import type { LatencyBins } from '../../shared/sketch/latency-sketch.ts';
import type { RefusedRequests, TelemetryFigures } from './telemetry-figures.ts';

/** What can be added: a device's checked report, a stored sum, or the figures of another one. */
export interface Addable {
  readonly reports: number;
  readonly requests: {
    readonly ok: number;
    readonly failed: Readonly<Record<string, number>>;
    /** Absent in what was stored before refused requests were counted. */
    readonly refused?: RefusedRequests | undefined;
  };
  readonly crashes: number;
  readonly latency?: LatencyBins | undefined;
  readonly features: readonly FeatureCounts[];
  readonly labels?: LabelFigures | undefined;
  readonly dropped: number;
}

/** First item of the array; the places below belong to it. */
const FORM = 2;

type StoredMoments = readonly [n: number, sum: number, sumSquares: number];
type StoredFeature = readonly [
  name: string,
  missing: number,
  counts: number[],
  ...rest:
    | readonly []
    | StoredMoments
    | readonly [...moments: StoredMoments | readonly [null, null, null], blocks: number[]],
];
type StoredSums = readonly [
  form: typeof FORM,
  reports: number,
  ok: number,
  failed: Readonly<Record<string, number>>,
  refusedAll: number,
  refusedFitBefore: number,
  crashes: number,
  dropped: number,
  latencyFirst: number,
  latencyCounts: readonly number[],
  labels: LabelFigures | null,
  features: readonly StoredFeature[],
];

export function encodeSums(figures: TelemetryFigures): Uint8Array {
  const { reports, requests, crashes, dropped, latency, labels, features } = figures;
  const { ok, failed, refused } = requests;
  const bins = latency.count > 0 ? latency.bins() : { first: 0, counts: [] };
  const stored: StoredSums = [
    FORM,
    reports,
    ok,
    failed,
    refused.all,
    refused.fitBefore,
    crashes,
    dropped,
    bins.first,
    bins.counts,
    labels ?? null,
    features.map(storedFeature),
  ];
  return encodeCbor(stored);
}

/** Reads what `encodeSums` wrote. Throws `bad_input` and `too_large`. */
export function decodeSums(bytes: Uint8Array): Addable {
  const stored = decodeCbor(bytes, 'telemetry bucket', limits.telemetryBucketBytesMax);
  if (!Array.isArray(stored)) return stored as Addable;
  const [, reports, ok, failed, all, fitBefore, crashes, dropped, first, counts, labels, features] =
    stored as unknown as StoredSums;
  return {
    reports,
    requests: { ok, failed, refused: { all, fitBefore } },
    crashes,
    dropped,
    ...(counts.length > 0 ? { latency: { first, counts } } : {}),
    ...(labels === null ? {} : { labels }),
    features: features.map(featureOf),
  };
}

function storedFeature({ name, missing, counts, moments, blocks }: FeatureCounts): StoredFeature {
  if (blocks) {
    return moments
      ? [name, missing, counts, moments.n, moments.sum, moments.sumSquares, blocks]
      : [name, missing, counts, null, null, null, blocks];
  }
  return moments
    ? [name, missing, counts, moments.n, moments.sum, moments.sumSquares]
    : [name, missing, counts];
}

function featureOf([name, missing, counts, n, sum, sumSquares, blocks]: StoredFeature): FeatureCounts {
  return {
    name,
    missing,
    counts,
    ...(typeof n === 'number' && typeof sum === 'number' && typeof sumSquares === 'number'
      ? { moments: { n, sum, sumSquares } }
      : {}),
    ...(blocks ? { blocks } : {}),
  };
}
