/**
 * A telemetry report: one window of one version on one device, as integer counts and sketches (promise P7: there is no
 * field a raw input could travel in). CBOR on the wire. `stream` and `number` identify the window: the hub merges each
 * once, however often it arrives.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Digest, ModelName, RolloutId, SemVer } from '../base/names.ts';
import { parser } from '../base/parse.ts';

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Counts of one feature, laid out as the profile of the same `name` in the version's manifest says
 * (numeric: underflow, bins, overflow; categorical: one per category, then unseen last). */
export const FeatureCounts = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 128 }),
  counts: Type.Array(count, { minItems: 2, maxItems: limits.categoriesMax + 2 }),
  missing: count,
  /** Numeric features: n, and sums after subtracting the profile's `moments.shift`. */
  moments: Type.Optional(Type.Object({ n: count, sum: Type.Number(), sumSquares: Type.Number() })),
});
export type FeatureCounts = Static<typeof FeatureCounts>;

export const LabelFigures = Type.Union([
  Type.Object({
    kind: Type.Literal('regression'),
    n: count,
    absoluteError: Type.Number({ minimum: 0 }),
    squaredError: Type.Number({ minimum: 0 }),
  }),
  Type.Object({ kind: Type.Literal('classification'), n: count, correct: count }),
]);
export type LabelFigures = Static<typeof LabelFigures>;

export const TelemetryReport = Type.Object({
  v: Type.Literal(1),
  stream: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  number: Type.Integer({ minimum: 1 }),
  /** Window span, milliseconds since the epoch, device clock. */
  from: Type.Integer({ minimum: 0 }),
  to: Type.Integer({ minimum: 0 }),
  model: ModelName,
  version: SemVer,
  manifest: Digest,
  rollout: Type.Optional(RolloutId),
  requests: Type.Object({
    ok: count,
    /** Failed requests by error code. */
    failed: Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' }), count),
  }),
  crashes: count,
  /** DDSketch (relative accuracy 1 %) of request latency in milliseconds, protobuf as @datadog/sketches-js writes it. */
  latency: Type.Optional(Type.Unsafe<Uint8Array>(Type.Unknown())),
  features: Type.Array(FeatureCounts, { maxItems: limits.featuresMax }),
  labels: Type.Optional(LabelFigures),
  /** Reports the spool had to drop since the last one sent. */
  dropped: count,
});
export type TelemetryReport = Static<typeof TelemetryReport>;
export const parseTelemetryReport = parser(TelemetryReport, 'telemetry report');
