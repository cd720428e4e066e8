/**
 * The manifest: what a version is. Written once by `modelfleet models pack`, canonical JSON (RFC 8785), signed as one
 * TUF target `models/<name>/<version>/manifest.json`, immutable. Every other byte of a version chains to it by SHA-256.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { mapOf } from '../base/map-of.ts';
import { Digest, ModelName, SemVer, Timestamp } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';
import { TensorSpec } from '../inference/tensor.ts';
import { ReferenceProfile } from './reference-profile.ts';

const text = Type.String({ maxLength: 2_000 });

/** One artifact: a file of the version, cut into chunks of `limits.chunkBytes` (the last may be shorter). */
export const ArtifactEntry = Type.Object({
  path: Type.String({ pattern: '^(?!\\.)[A-Za-z0-9._-]{1,128}$' }),
  role: Type.Union([Type.Literal('model'), Type.Literal('golden')]),
  sha256: Digest,
  bytes: Type.Integer({ minimum: 1, maximum: limits.artifactBytesMax }),
  chunks: Type.Array(Digest, { minItems: 1, maxItems: limits.chunksPerArtifactMax }),
});
export type ArtifactEntry = Static<typeof ArtifactEntry>;

/** One way to run the version: which file, at which precision, on which execution providers in order of preference. */
export const Variant = Type.Object({
  file: Type.String({ maxLength: 128 }),
  precision: Type.Union([
    Type.Literal('fp32'),
    Type.Literal('fp16'),
    Type.Literal('int8'),
    Type.Literal('mixed'),
  ]),
  providers: Type.Array(Type.String({ pattern: '^[a-z]{2,16}$' }), { minItems: 1, maxItems: 8 }),
});
export type Variant = Static<typeof Variant>;

/** What a device's answers to golden samples may differ by: |got − want| ≤ absolute + relative·|want|. */
export const Tolerance = Type.Object({
  absolute: Type.Number({ minimum: 0 }),
  relative: Type.Number({ minimum: 0 }),
});
export type Tolerance = Static<typeof Tolerance>;

/** How to turn a later label into an error figure: absolute error of a numeric output, or a class that must match. */
export const LabelRule = Type.Object({
  output: Type.String({ minLength: 1, maxLength: 256 }),
  kind: Type.Union([Type.Literal('regression'), Type.Literal('classification')]),
  /**
   * How a class is read from the output: the best of several scores, one score against `threshold`, or the class itself.
   * `pack` always says; absent, it is as `readingOf` in shared/telemetry/label-reading.ts gives it.
   */
  read: Type.Optional(Type.Union([Type.Literal('argmax'), Type.Literal('threshold'), Type.Literal('class')])),
  /** Scores from here on are the second of two classes; 0.5 where absent. */
  threshold: Type.Optional(Type.Number()),
  /** What the model writes for each class, in the order of `classes`; 0, 1, … where absent. */
  values: Type.Optional(
    Type.Array(Type.Union([Type.Number(), Type.String({ maxLength: 128 })]), {
      minItems: 1,
      maxItems: limits.classesMax,
    }),
  ),
});
export type LabelRule = Static<typeof LabelRule>;

export const ModelManifest = Type.Object(
  {
    v: Type.Literal(1),
    model: ModelName,
    version: SemVer,
    /** Grows by one or more with each release of the model; a device never goes below the highest it has committed
     * unless it goes back to a version it still keeps (see docs/ARCHITECTURE.md, anti-rollback). */
    release: Type.Integer({ minimum: 1, maximum: 2 ** 31 }),
    created: Timestamp,
    files: Type.Array(ArtifactEntry, { minItems: 1, maxItems: limits.filesPerVersionMax }),
    variants: Type.Array(Variant, { minItems: 1, maxItems: 8 }),
    interface: Type.Object({
      /** None for a model that needs no input, such as one that gives a constant. */
      inputs: Type.Array(TensorSpec, { maxItems: limits.tensorsPerModelMax }),
      outputs: Type.Array(TensorSpec, { minItems: 1, maxItems: limits.tensorsPerModelMax }),
      classes: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { maxItems: limits.classesMax })),
      units: Type.Optional(mapOf(Type.String({ maxLength: 64 }), { entriesMax: limits.featuresMax })),
    }),
    golden: Type.Object({
      file: Type.String({ maxLength: 128 }),
      /** Tolerance by output name. */
      tolerances: mapOf(Tolerance, { entriesMax: limits.tensorsPerModelMax }),
    }),
    label: Type.Optional(LabelRule),
    profile: Type.Optional(ReferenceProfile),
    objectives: Type.Optional(
      Type.Object({
        latencyP95Ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        errorRateMax: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        memoryBytesMax: Type.Optional(Type.Integer({ minimum: 1 })),
      }),
    ),
    card: Type.Optional(
      Type.Object({
        task: Type.Optional(text),
        owner: Type.Optional(text),
        license: Type.Optional(text),
        description: Type.Optional(text),
        framework: Type.Optional(text),
        trainingData: Type.Optional(text),
      }),
    ),
  },
  { $id: 'ModelManifest' },
);
export type ModelManifest = Static<typeof ModelManifest>;

/** Parses manifest bytes; throws `bad_input` or `too_large`. The caller has checked their digest, or does so next. */
export const parseManifest = jsonParser(ModelManifest, 'manifest', limits.manifestBytesMax);

/** The name of a version's TUF target. */
export function manifestTarget(model: string, version: string): string {
  return `models/${model}/${version}/manifest.json`;
}
