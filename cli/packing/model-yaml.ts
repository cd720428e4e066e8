/** `model.yaml`: what a person says of a version, beside what the model file says of itself. See docs/MODEL-YAML.md. */
import { isUtf8 } from 'node:buffer';
import { type Static, type TSchema, Type } from 'typebox';
import { parseDocument } from 'yaml';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { mapOf } from '../../shared/base/map-of.ts';
import { ModelName, SemVer, Timestamp } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { quoteText } from '../../shared/inference/exact-values.ts';
import { LabelRule, ModelManifest, Tolerance, Variant } from '../../shared/manifest/model-manifest.ts';
import { binaryKind } from '../../shared/onnx/file-kind.ts';
import { readNamedFile } from './named-file.ts';

/** What the file is called in the folder that is packed. */
export const modelYamlFile = 'model.yaml';

const ALIASES_MAX = 100;
const closed = { additionalProperties: false } as const;
const name = Type.String({ minLength: 1, maxLength: 256 });
const file = Type.String({ minLength: 1, maxLength: 512 });
/** Values by the name of an input or output. */
const byName = <T extends TSchema>(value: T) => mapOf(value, { entriesMax: limits.tensorsPerModelMax });
const columnList = Type.Array(name, { minItems: 1, maxItems: 65_536 });

const csvFields = {
  /** CSV file, relative to model.yaml. */
  file: Type.Optional(file),
  delimiter: Type.Optional(Type.String({ minLength: 1, maxLength: 4 })),
  /** Lines before the header. */
  skipLines: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
  /** False: there is no header line, and columns are named `1`, `2`, … */
  header: Type.Optional(Type.Boolean()),
  /** Cells that mean "no value"; an empty cell always does. */
  missing: Type.Optional(Type.Array(Type.Union([Type.Number(), Type.String()]), { maxItems: 64 })),
  /** Input name → CSV columns in the order of the tensor's elements. */
  columns: Type.Optional(byName(columnList)),
  /** Input name → NPY file with one row a sample along the first axis. */
  arrays: Type.Optional(byName(file)),
  /** The CSV column, or without a CSV file the NPY file, that holds the labels of the rows. */
  label: Type.Optional(name),
  /** Where a sequence begins: at each change of a CSV column, or after so many rows. If absent, all rows are one. */
  sequence: Type.Optional(Type.Union([name, Type.Integer({ minimum: 1 })])),
  /** Input name → the same value in every element, for inputs such as a sampling rate or a first state. */
  fill: Type.Optional(
    byName(
      Type.Object(
        {
          /** In quotes where a number is larger than 2^53: YAML would round it. */
          value: Type.Union([Type.Number(), Type.String({ maxLength: 4_096 }), Type.Boolean()]),
          shape: Type.Optional(Type.Array(Type.Integer({ minimum: 0 }), { maxItems: limits.tensorRankMax })),
        },
        closed,
      ),
    ),
  ),
};

export const SampleSource = Type.Object(
  {
    ...csvFields,
    /** The rows are in the order of time, as far apart as in service: the profile then knows how much they depend on each other. */
    ordered: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type SampleSource = Static<typeof SampleSource>;

export const GoldenSource = Type.Object(
  {
    ...csvFields,
    /** How many rows of the sample to take, spread evenly; not with a source of its own. */
    rows: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.goldenSamplesMax })),
    /** Output name → CSV columns of the golden file, or an NPY file, that hold what is right. */
    expected: Type.Optional(byName(Type.Union([columnList, file]))),
  },
  closed,
);
export type GoldenSource = Static<typeof GoldenSource>;

export const ModelYaml = Type.Object(
  {
    model: ModelName,
    version: SemVer,
    release: Type.Integer({ minimum: 1, maximum: 2 ** 31 }),
    created: Type.Optional(Timestamp),
    /** Short form of one variant for `cpu`. */
    file: Type.Optional(file),
    variants: Type.Optional(
      Type.Array(
        Type.Object(
          {
            file,
            precision: Type.Optional(Variant.properties.precision),
            providers: Type.Optional(Variant.properties.providers),
          },
          closed,
        ),
        { minItems: 1, maxItems: 8 },
      ),
    ),
    inputs: Type.Optional(declaredTensors()),
    outputs: Type.Optional(declaredTensors()),
    /** Input name → names of the columns of its last axis. */
    features: Type.Optional(byName(Type.Array(name, { minItems: 1, maxItems: limits.featuresMax }))),
    classes: Type.Optional(ModelManifest.properties.interface.properties.classes),
    units: Type.Optional(ModelManifest.properties.interface.properties.units),
    sample: Type.Optional(SampleSource),
    golden: Type.Optional(GoldenSource),
    /** Input name → name of the output that is this input in the next step of a sequence. */
    state: Type.Optional(byName(name)),
    tolerances: Type.Optional(byName(Type.Object(Tolerance.properties, closed))),
    profile: Type.Optional(
      Type.Object(
        {
          /** Cells of a numeric feature, under- and overflow among them. */
          cells: Type.Optional(Type.Integer({ minimum: 4, maximum: 20 })),
        },
        closed,
      ),
    ),
    label: Type.Optional(Type.Object(LabelRule.properties, closed)),
    objectives: Type.Optional(Type.Object(ModelManifest.properties.objectives.properties, closed)),
    card: Type.Optional(Type.Object(ModelManifest.properties.card.properties, closed)),
  },
  closed,
);
export type ModelYaml = Static<typeof ModelYaml> & { readonly golden: GoldenSource };

/** Names, and types or shapes where given, that the model must have; a guard against packing the wrong file. */
function declaredTensors() {
  return Type.Array(
    Type.Object(
      {
        name,
        datatype: Type.Optional(Type.String({ maxLength: 16 })),
        shape: Type.Optional(Type.Array(Type.Integer({ minimum: -1 }), { maxItems: limits.tensorRankMax })),
      },
      closed,
    ),
    { maxItems: limits.tensorsPerModelMax },
  );
}

const parseModelYaml = parser(ModelYaml, 'model.yaml', 'model_yaml_invalid');

/** Reads `DIR/model.yaml`. Throws `pack_file_missing`, `too_large` or `model_yaml_invalid`, naming line or path and value. */
export async function loadModelYaml(folder: string): Promise<ModelYaml> {
  return parseModelYamlText(await readNamedFile(folder, modelYamlFile));
}

/** Parses the bytes of a model.yaml. */
export function parseModelYamlText(bytes: Uint8Array): ModelYaml {
  if (bytes.byteLength > limits.modelYamlBytesMax) {
    throw new AppError(
      'too_large',
      `Cannot read model.yaml: it has ${bytes.byteLength} bytes, but at most ${limits.modelYamlBytesMax} are allowed.`,
    );
  }
  const parsed = parseModelYaml(readYaml(bytes));
  const yaml = { ...parsed, golden: parsed.golden ?? {} };
  if ((yaml.file === undefined) === (yaml.variants === undefined)) {
    throw new AppError(
      'model_yaml_invalid',
      'Cannot read model.yaml: expected either "file" or "variants", found both or neither.',
    );
  }
  const ownRows = yaml.golden.file !== undefined || yaml.golden.arrays !== undefined;
  if (ownRows && yaml.golden.rows !== undefined) {
    throw new AppError(
      'model_yaml_invalid',
      'Cannot read model.yaml: "golden" can have either "rows" or a "file" or "arrays" of its own, found both.',
    );
  }
  if (yaml.label === undefined && (yaml.sample?.label ?? yaml.golden.label) !== undefined) {
    throw new AppError(
      'model_yaml_invalid',
      'Cannot read model.yaml: a sample has a "label", but the version has no label rule. Name the output that it belongs to under "label".',
    );
  }
  const rounded = [...(yaml.sample?.missing ?? []), ...(yaml.golden.missing ?? [])].find(
    (mark) => Number.isInteger(mark) && !Number.isSafeInteger(mark),
  );
  if (rounded !== undefined) {
    throw new AppError(
      'model_yaml_invalid',
      `Cannot read model.yaml: the missing marker ${rounded} may have been rounded; write it in quotes.`,
    );
  }
  // Rows of the sample are read as the sample says: what stands here would be ignored.
  const idle = ownRows ? undefined : Object.keys(yaml.golden).find((field) => field !== 'rows');
  if (idle !== undefined) {
    throw new AppError(
      'model_yaml_invalid',
      `Cannot read model.yaml: "golden.${idle}" also needs "golden.file" or "golden.arrays".`,
    );
  }
  return yaml;
}

/** What the YAML says, as plain values. Warnings (unknown tags and the like) are refused too: they are mistakes. */
function readYaml(bytes: Uint8Array): unknown {
  const refuse = (reason: string) =>
    new AppError('model_yaml_invalid', `Cannot read model.yaml: it is ${reason}.`);
  const fault = (reason: string, cause: unknown) =>
    new AppError('model_yaml_invalid', `Cannot read model.yaml: it is not YAML (${reason}).`, { cause });
  const kind = binaryKind(bytes);
  if (kind !== undefined) throw refuse(kind);
  if (!isUtf8(bytes)) throw refuse('not UTF-8 text; save it as UTF-8');
  try {
    const document = parseDocument(new TextDecoder().decode(bytes), { logLevel: 'error' });
    const [first] = [...document.errors, ...document.warnings];
    if (first) throw fault(first.message.split('\n')[0]!.replace(/:$/, ''), first);
    const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX });
    refuseHalfTexts(value);
    return value;
  } catch (cause) {
    throw cause instanceof AppError ? cause : fault(errorText(cause), cause);
  }
}

/** An escape can write half a surrogate pair, which no manifest can hold. */
function refuseHalfTexts(value: unknown): void {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new AppError(
      'model_yaml_invalid',
      `Cannot read model.yaml: ${quoteText(value)} contains half a surrogate pair, which is not valid text.`,
    );
  }
  if (typeof value !== 'object' || value === null) return;
  for (const entry of Object.entries(value)) entry.forEach(refuseHalfTexts);
}
