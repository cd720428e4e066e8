/** Answer of `GET /api/v1/telemetry`. */
import { type Static, Type } from 'typebox';

const labelled = {
  n: Type.Number({ description: 'Labels: one for each row of an answer' }),
  answers: Type.Optional(Type.Number({ description: 'Answers that the labels are of' })),
};

const CalibrationBin = Type.Object({
  n: Type.Number(),
  confidence: Type.Number({ description: 'Mean confidence of the bin' }),
  accuracy: Type.Number({ description: 'Share of right answers in the bin' }),
});

/** Mean absolute and root mean square error in the unit of the output, or the share of right answers. */
export const LabelError = Type.Union(
  [
    Type.Object({
      kind: Type.Literal('regression'),
      ...labelled,
      mae: Type.Number(),
      rmse: Type.Number(),
      bias: Type.Optional(
        Type.Number({ description: 'Mean of predicted less actual; absent when agents did not send it' }),
      ),
    }),
    Type.Object({
      kind: Type.Literal('classification'),
      ...labelled,
      accuracy: Type.Number(),
      calibration: Type.Optional(
        Type.Object(
          {
            n: Type.Number({ description: 'Labels of answers that gave a probability' }),
            error: Type.Number({
              description:
                'Expected calibration error: the mean distance of confidence and accuracy over ten bins',
            }),
            bins: Type.Array(CalibrationBin, {
              description: 'Bins that hold labels, lowest confidence first',
            }),
          },
          { description: 'How far the confidence of answers is what it claims to be' },
        ),
      ),
      confusion: Type.Optional(
        Type.Object(
          {
            n: Type.Number({ description: 'Labels that are counted by class' }),
            classes: Type.Array(Type.String()),
            counts: Type.Array(Type.Array(Type.Number()), {
              description: 'A row for each actual class, a column for each predicted one',
            }),
          },
          { description: 'Absent for a version whose classes are unknown or more than 16' },
        ),
      ),
    }),
  ],
  { $id: 'LabelError' },
);
export type LabelError = Static<typeof LabelError>;

export const VersionFigures = Type.Object(
  {
    version: Type.String(),
    devices: Type.Integer(),
    windows: Type.Integer(),
    requests: Type.Object({
      ok: Type.Number(),
      failed: Type.Record(Type.String(), Type.Number(), { description: 'By error code' }),
      refused: Type.Object(
        {
          all: Type.Number(),
          fitBefore: Type.Number({ description: 'Those that the version before would have taken' }),
        },
        { description: 'Requests whose tensors did not fit the interface' },
      ),
    }),
    crashes: Type.Number(),
    latencyMs: Type.Optional(Type.Object({ p50: Type.Number(), p95: Type.Number(), p99: Type.Number() })),
    labels: Type.Optional(LabelError),
    labelledShare: Type.Optional(
      Type.Number({
        description:
          'Answers whose labels arrived in the span, for each request answered in it; above 1 when labels of earlier answers arrived',
      }),
    ),
    dropped: Type.Number({ description: 'Windows that devices had to drop' }),
  },
  { $id: 'VersionFigures' },
);
export type VersionFigures = Static<typeof VersionFigures>;

export const ModelTelemetry = Type.Object(
  {
    model: Type.String(),
    fromMs: Type.Integer(),
    toMs: Type.Integer(),
    /** Versions that were reported in the span, most devices first. */
    versions: Type.Array(VersionFigures),
  },
  { $id: 'ModelTelemetry' },
);
export type ModelTelemetry = Static<typeof ModelTelemetry>;
