/** Answer of `GET /api/v1/telemetry`. */
import { type Static, Type } from 'typebox';

/** Mean absolute and root mean square error in the unit of the output, or the share of right answers. */
export const LabelError = Type.Union(
  [
    Type.Object({
      kind: Type.Literal('regression'),
      n: Type.Number(),
      mae: Type.Number(),
      rmse: Type.Number(),
    }),
    Type.Object({ kind: Type.Literal('classification'), n: Type.Number(), accuracy: Type.Number() }),
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
