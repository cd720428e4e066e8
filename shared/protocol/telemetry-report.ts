/**
 * A telemetry report: one window of one version on one device, as integer counts and sketches (promise P7: there is no
 * field a raw input could travel in). CBOR on the wire. `stream` and `number` identify the window: the hub merges each
 * once, however often it arrives.
 */
import { type Static, Type } from 'typebox';
import { AppError } from '../base/app-error.ts';
import { decodeCbor, encodeCbor } from '../base/cbor.ts';
import { limits } from '../base/limits.ts';
import { mapOf } from '../base/map-of.ts';
import { Digest, ModelName, RolloutId, SemVer } from '../base/names.ts';
import { parser } from '../base/parse.ts';
import { BlockNumbers } from '../sketch/block-sums.ts';
import { latencyKeys } from '../sketch/latency-sketch.ts';

const count = Type.Integer({ minimum: 0, maximum: limits.telemetryCountMax });

/** Counts of one feature, laid out as the profile of the same `name` in the version's manifest says
 * (numeric: underflow, bins, overflow; categorical: one per category, then unseen last). */
export const FeatureCounts = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 128 }),
  counts: Type.Array(count, { minItems: 2, maxItems: limits.categoriesMax + 2 }),
  missing: count,
  /** Numeric features: n, and sums after subtracting the profile's `moments.shift`. Left out below
   * `limits.momentRowsMin` rows: the sums of one row would be the row. No minimum or maximum, for the same reason. */
  moments: Type.Optional(Type.Object({ n: count, sum: Type.Number(), sumSquares: Type.Number() })),
  /**
   * Blocks of rows with a value that were filled in the window: they say how much rows depend on each other.
   */
  blocks: Type.Optional(BlockNumbers),
});
export type FeatureCounts = Static<typeof FeatureCounts>;

const bins = Type.Array(count, { minItems: limits.calibrationBins, maxItems: limits.calibrationBins });

/** By bin of confidence: labels, the sum of their confidence in thousandths, right answers. */
export const Calibration = Type.Object({ n: bins, confidence: bins, correct: bins });
export type Calibration = Static<typeof Calibration>;

/** Answers that the labels are of; an answer of many rows has a label for each. Older agents do not count them. */
const answers = Type.Optional(count);

export const LabelFigures = Type.Union([
  Type.Object({
    kind: Type.Literal('regression'),
    n: count,
    answers,
    absoluteError: Type.Number({ minimum: 0 }),
    squaredError: Type.Number({ minimum: 0 }),
    /** Predicted less actual, and over how many labels. */
    signedError: Type.Optional(Type.Object({ n: count, sum: Type.Number() })),
  }),
  Type.Object({
    kind: Type.Literal('classification'),
    n: count,
    answers,
    correct: count,
    /** Of k classes, cell actual·k + predicted; absent where the classes are not known or more than are told apart. */
    confusion: Type.Optional(Type.Array(count, { minItems: 1, maxItems: limits.confusionClassesMax ** 2 })),
    /** Of labels whose answer gave a probability. */
    calibration: Type.Optional(Calibration),
  }),
]);
export type LabelFigures = Static<typeof LabelFigures>;

export const TelemetryReport = Type.Object({
  v: Type.Literal(1),
  stream: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  number: Type.Integer({ minimum: 1, maximum: limits.telemetryCountMax }),
  /** Window span, milliseconds since the epoch: the beginning by the device's clock, the length by its monotonic clock. */
  from: Type.Integer({ minimum: 0 }),
  to: Type.Integer({ minimum: 0 }),
  model: ModelName,
  version: SemVer,
  manifest: Digest,
  /** The rollout that the version is here for: the window is evidence for that one and for no other. */
  rollout: Type.Optional(RolloutId),
  /** Which offer of the rollout, as the desired state named it. */
  offer: Type.Optional(Type.Integer({ minimum: 1 })),
  requests: Type.Object({
    ok: count,
    /** Failed requests by error code. */
    failed: mapOf(count, { keys: '^[a-z][a-z0-9_]{0,63}$', entriesMax: limits.telemetryErrorCodesMax }),
    /** Requests whose tensors did not fit the interface, and those of them that the version before would have taken. */
    refused: Type.Optional(Type.Object({ all: count, fitBefore: count })),
  }),
  crashes: count,
  /** Request latency: bins of shared/sketch/latency-sketch.ts (DDSketch, relative accuracy 1 %, microseconds). */
  latency: Type.Optional(
    Type.Object({
      first: Type.Integer({ minimum: latencyKeys.min, maximum: latencyKeys.max }),
      counts: Type.Array(count, { maxItems: latencyKeys.max - latencyKeys.min + 1 }),
    }),
  ),
  features: Type.Array(FeatureCounts, { maxItems: limits.featuresMax }),
  labels: Type.Optional(LabelFigures),
  /** Reports the spool had to drop since the last one sent. */
  dropped: count,
});
export type TelemetryReport = Static<typeof TelemetryReport>;

const parse = parser(TelemetryReport, 'telemetry report');

/** CBOR of a report; throws `too_large` above `limits.telemetryReportBytesMax`. */
export function encodeTelemetryReport(report: TelemetryReport): Uint8Array {
  const bytes = encodeCbor(report);
  if (bytes.byteLength > limits.telemetryReportBytesMax) {
    throw new AppError(
      'too_large',
      `Cannot send the telemetry window: it has ${bytes.byteLength} bytes, but at most ${limits.telemetryReportBytesMax} are allowed.`,
    );
  }
  return bytes;
}

/** Reads a report of a device. Throws `too_large` or `bad_input`. */
export function decodeTelemetryReport(bytes: Uint8Array): TelemetryReport {
  const report = parse(decodeCbor(bytes, 'telemetry report', limits.telemetryReportBytesMax));
  const { latency } = report;
  if (latency !== undefined && latency.first + latency.counts.length - 1 > latencyKeys.max) {
    throw new AppError(
      'bad_input',
      `Cannot read the telemetry report: /latency ends above bin ${latencyKeys.max}.`,
    );
  }
  return report;
}
