/** Which features a version is watched by: columns of tables, summaries of images, classes and scores of outputs. */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { channelAxis, countsRows } from '../../shared/inference/image-layout.ts';
import type { TensorSpec } from '../../shared/inference/tensor.ts';
import { elementCount } from '../../shared/inference/tensor-values.ts';
import type { FeatureSource } from '../../shared/manifest/reference-profile.ts';

/** Of an input with more columns than this, the row is summarised. */
const INPUT_COLUMNS_MAX = limits.featuresMax / 2;
/** A vector output longer than this is told by its argmax and maximum, not element by element. */
const OUTPUT_COLUMNS_MAX = 4;
/** Without an axis of rows there is no argmax of a row. */
const OUTPUT_ELEMENTS_MAX = 32;

export interface FeaturePlan {
  readonly name: string;
  readonly role: 'input' | 'output';
  readonly source: FeatureSource;
  /** `numeric`: always; `integers`: categorical when the values are few whole numbers; a list: always categorical, at least these. */
  readonly kind: 'numeric' | 'integers' | readonly string[];
}

export interface PlanOptions {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names of the columns of an input. */
  readonly columnNames: (input: string) => readonly string[] | undefined;
  /** Classes that an output of whole numbers can give, seen in the sample or not. */
  readonly categories: (output: string) => readonly string[];
}

export interface PlannedFeatures {
  readonly plans: readonly FeaturePlan[];
  /** Why tensors have no feature, for the publisher. */
  readonly remarks: readonly string[];
}

/** Throws `too_large` past `limits.featuresMax`, `interface_mismatch` for two of one name. */
export function planFeatures({ inputs, outputs, columnNames, categories }: PlanOptions): PlannedFeatures {
  const planned = [
    ...inputs.map((spec) => ({ spec, side: 'input', plans: planInput(spec, columnNames(spec.name)) })),
    ...outputs.map((spec) => ({ spec, side: 'output', plans: planOutput(spec, categories(spec.name)) })),
  ];
  const plans = withDistinctNames(planned.flatMap((tensor) => tensor.plans));
  if (plans.length > limits.featuresMax) {
    throw new AppError(
      'too_large',
      `Cannot profile the sample: it has ${plans.length} features, but at most ${limits.featuresMax} are allowed.`,
    );
  }
  const names = plans.map((plan) => plan.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new AppError(
      'interface_mismatch',
      `Cannot profile the sample: two features have the name "${twice}".`,
    );
  }
  return { plans, remarks: planned.flatMap(remarksOn) };
}

function remarksOn({
  spec,
  side,
  plans,
}: {
  readonly spec: TensorSpec;
  readonly side: string;
  readonly plans: readonly FeaturePlan[];
}): string[] {
  const what = `${side} "${spec.name}" ${spec.datatype}`;
  if (plans.length === 0) return [`${what} has no feature, so its drift is not seen: ${reasonOf(spec)}`];
  const columns = spec.shape.length <= 2 ? (spec.shape.at(-1) ?? 0) : 0;
  if (side === 'output' || columns <= INPUT_COLUMNS_MAX) return [];
  return [
    `${what} has ${columns} columns, more than ${INPUT_COLUMNS_MAX}: only the mean and deviation of its rows are watched`,
  ];
}

/** Names that fit the profile; an output named like an input is told apart from it. */
function withDistinctNames(plans: readonly FeaturePlan[]): FeaturePlan[] {
  const ofInputs = new Set(plans.filter((plan) => plan.role === 'input').map((plan) => plan.name));
  return plans.map((plan) => {
    const taken = plan.role === 'output' && ofInputs.has(plan.name);
    return { ...plan, name: shortened(taken ? `output ${plan.name}` : plan.name) };
  });
}

/** Both ends of a name that is too long: exporters put the whole path of a layer in front, and our suffix stands last. */
function shortened(name: string): string {
  if (name.length <= limits.featureNameCharsMax) return name;
  const characters = [...name];
  const kept = limits.featureNameCharsMax / 4;
  return `${characters.slice(0, kept).join('')}…${characters.slice(-kept).join('')}`;
}

function reasonOf({ shape, datatype }: TensorSpec): string {
  if (shape.length === 0) return 'it is one number for the whole request';
  if (datatype === 'BYTES') return 'texts are watched by column, in tensors of up to two axes';
  return 'its first axis does not count rows';
}

function planInput(spec: TensorSpec, names: readonly string[] | undefined): FeaturePlan[] {
  const { name: tensor, shape, datatype } = spec;
  const isVector = isOneRow(shape);
  const columns = shape.length === 1 && !isVector ? 1 : (shape.at(-1) ?? 0);
  if (shape.length >= 1 && shape.length <= 2 && columns >= 1 && columns <= INPUT_COLUMNS_MAX) {
    return Array.from({ length: columns }, (_, column) => ({
      name: names?.[column] ?? (columns === 1 ? tensor : `${tensor}[${column}]`),
      role: 'input' as const,
      source: isVector ? { tensor, element: column } : { tensor, column },
      kind: kindOf(datatype),
    }));
  }
  if (shape.length === 0 || isVector || datatype === 'BYTES') return [];
  return planSummaries(spec, 'input');
}

function planOutput(spec: TensorSpec, classes: readonly string[]): FeaturePlan[] {
  const { name: tensor, shape, datatype } = spec;
  const role = 'output' as const;
  const isNumber = datatype.startsWith('FP');
  // A higher rank whose first axis counts no rows is a state to hand back, in the shape of the model's own.
  if (shape.length === 0 || (shape.length > 2 && !countsRows(shape))) return [];
  const isOne = isOneRow(shape);
  const row = isOne ? shape : shape.slice(1);
  const elements = row.includes(-1) ? Number.POSITIVE_INFINITY : elementCount(row);
  if (elements >= 1 && elements <= (isOne ? OUTPUT_ELEMENTS_MAX : OUTPUT_COLUMNS_MAX)) {
    const known = isNumber || datatype === 'BYTES' ? [] : classes;
    return Array.from({ length: elements }, (_, at) => ({
      name: elements === 1 ? tensor : `${tensor}[${at}]`,
      role,
      source: shape.length <= 2 && !isOne ? { tensor, column: at } : { tensor, element: at },
      kind: isNumber ? ('numeric' as const) : known,
    }));
  }
  if (datatype === 'BYTES' || elements === 0 || isOne) return [];
  const isVector = row.filter((size) => size !== 1).length === 1;
  if (!isVector || !isNumber) return planSummaries(spec, role);
  // Of more classes than a profile may list, those that the sample shows are listed.
  const categories =
    elements <= limits.categoriesMax ? Array.from({ length: elements }, (_, i) => String(i)) : [];
  return [
    { name: `${tensor} argmax`, role, source: { tensor, summary: 'argmax' }, kind: categories },
    { name: `${tensor} max`, role, source: { tensor, summary: 'max' }, kind: 'numeric' },
  ];
}

function kindOf(datatype: TensorSpec['datatype']): FeaturePlan['kind'] {
  if (datatype === 'BYTES') return [];
  return datatype.startsWith('FP') ? 'numeric' : 'integers';
}

/** Mean and standard deviation: of each channel where the shape is that of an image in colour, else of the whole row. */
function planSummaries({ name: tensor, shape }: TensorSpec, role: 'input' | 'output'): FeaturePlan[] {
  const axis = channelAxis(shape);
  const channels = axis === undefined ? [] : Array.from({ length: shape[axis]! }, (_, channel) => channel);
  const parts =
    channels.length > 1
      ? channels.map((channel) => ({ part: `${tensor}[${channel}]`, of: { tensor, axis: axis!, channel } }))
      : [{ part: tensor, of: { tensor } }];
  return parts.flatMap(({ part, of }) =>
    (['mean', 'stddev'] as const).map((summary) => ({
      name: `${part} ${summary}`,
      role,
      source: { ...of, summary },
      kind: 'numeric' as const,
    })),
  );
}

/** Whether a tensor of one axis is one row, and not one value for each of many. */
function isOneRow(shape: readonly number[]): boolean {
  return shape.length === 1 && shape[0]! > 1;
}
