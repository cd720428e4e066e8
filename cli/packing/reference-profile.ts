/**
 * Makes a reference profile from sample values: picks the features, fixes the bin edges, and counts with the same code
 * devices count with.
 *
 * Numeric features get edges at the quantiles 1/c … (c−1)/c of the reference, so that its c cells, under- and overflow
 * among them, hold about equally many values and none is empty; few distinct values get edges halfway between them.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { TensorValues } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type {
  FeatureProfile,
  FeatureSource,
  ReferenceProfile,
} from '../../shared/manifest/reference-profile.ts';
import { CategoryCounts } from '../../shared/sketch/category-counts.ts';
import { HistogramCounts } from '../../shared/sketch/histogram-counts.ts';
import { MomentSums } from '../../shared/sketch/moment-sums.ts';
import { featureValues } from '../../shared/telemetry/feature-value.ts';

const INPUT_CATEGORIES_MAX = 16;
/** A vector output longer than this is told by its argmax and maximum, not column by column. */
const OUTPUT_COLUMNS_MAX = 4;

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
  readonly classes: readonly string[] | undefined;
}

/** Which features a version is watched by. Throws `too_large` past `limits.featuresMax`, `interface_mismatch` for two of one name. */
export function planFeatures({ inputs, outputs, columnNames, classes }: PlanOptions): FeaturePlan[] {
  const plans = [
    ...inputs.flatMap((spec) => planInput(spec, columnNames(spec.name))),
    ...outputs.flatMap((spec) => planOutput(spec, classes)),
  ];
  if (plans.length > limits.featuresMax) {
    throw new AppError(
      'too_large',
      `Cannot profile the sample: ${plans.length} features, at most ${limits.featuresMax} are allowed.`,
    );
  }
  const names = plans.map((plan) => plan.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i || name.length > 128);
  if (twice !== undefined) {
    throw new AppError(
      'interface_mismatch',
      `Cannot profile the sample: feature name "${twice}" is used twice or longer than 128 characters.`,
    );
  }
  return plans;
}

/** Values of planned features, collected run by run. */
export class ProfileBuilder {
  readonly #plans: readonly FeaturePlan[];
  readonly #values: (number | string)[][];

  constructor(plans: readonly FeaturePlan[]) {
    this.#plans = plans;
    this.#values = plans.map(() => []);
  }

  /** Takes the tensors of one run of the given role; `elements` are a tensor's own where some of them are missing. */
  add(role: 'input' | 'output', tensors: readonly (Tensor & { readonly elements?: TensorValues })[]): void {
    for (const [i, plan] of this.#plans.entries()) {
      const tensor = plan.role === role ? tensors.find((t) => t.name === plan.source.tensor) : undefined;
      if (!tensor) continue;
      for (const value of featureValues(plan.source, tensor, tensor.elements)) this.#values[i]!.push(value);
    }
  }

  /** The profile over everything added. Features of which no value was seen are left out. */
  build({ rows, cells }: { readonly rows: number; readonly cells: number }): ReferenceProfile {
    const features = this.#plans.flatMap((plan, i) => profileFeature(plan, this.#values[i]!, cells) ?? []);
    return { rows, features };
  }
}

/** Profiles one feature; undefined when it has no value at all. */
export function profileFeature(
  { name, role, source, kind }: FeaturePlan,
  values: readonly (number | string)[],
  cells: number,
): FeatureProfile | undefined {
  const texts = values.some((value) => typeof value === 'string');
  const numbers = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  if (numbers.length === 0 && !texts) return undefined;
  if (texts || (kind !== 'numeric' && areCategories(kind, numbers))) {
    const counts = new CategoryCounts(categoriesOf(values, typeof kind === 'string' ? [] : kind));
    for (const value of values) counts.add(value);
    const { categories, unseen, missing } = counts;
    return {
      kind: 'categorical',
      name,
      role,
      source,
      categories: [...categories],
      counts: counts.counts,
      unseen,
      missing,
    };
  }
  const edges = numericEdges(numbers, cells);
  const histogram = new HistogramCounts(edges);
  const moments = new MomentSums(
    Number((numbers.reduce((a, b) => a + b, 0) / numbers.length).toPrecision(6)),
  );
  for (const value of values as readonly number[]) {
    histogram.add(value);
    moments.add(value);
  }
  const { n, shift, sum, sumSquares } = moments;
  return {
    kind: 'numeric',
    name,
    role,
    source,
    edges,
    counts: histogram.counts,
    missing: histogram.missing,
    moments: { n, shift, sum, sumSquares },
  };
}

/** Strictly rising edges, at least two. */
export function numericEdges(values: readonly number[], cells: number): number[] {
  const sorted = Float64Array.from(values).sort();
  const distinct = [...new Set(sorted.length > 10_000 ? firstDistinct(sorted, cells + 1) : sorted)];
  if (distinct.length === 1) {
    const half = Math.max(Math.abs(distinct[0]!) * 1e-3, 1e-6);
    return [distinct[0]! - half, distinct[0]! + half];
  }
  if (distinct.length === 2) {
    const [low, high] = distinct as [number, number];
    return [low + (high - low) / 2, high + (high - low)];
  }
  if (distinct.length <= cells) return distinct.slice(1).map((value, i) => (value + distinct[i]!) / 2);
  const edges = Array.from({ length: cells - 1 }, (_, i) => quantile(sorted, (i + 1) / cells));
  const rising = edges.filter((edge, i) => i === 0 || edge > edges[i - 1]!);
  // A value that makes up nearly the whole sample leaves one quantile: equal widths over the rest then.
  if (rising.length >= 2) return rising;
  const [first, last] = [sorted[0]!, sorted.at(-1)!];
  return Array.from({ length: cells - 1 }, (_, i) => first + ((last - first) * (i + 1)) / cells);
}

/** Linear between order statistics (Hyndman and Fan 1996, type 7). */
function quantile(sorted: Float64Array, share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at));
}

function firstDistinct(sorted: Float64Array, count: number): Set<number> {
  const seen = new Set<number>();
  for (const value of sorted) {
    seen.add(value);
    if (seen.size >= count) break;
  }
  return seen;
}

function planInput(spec: TensorSpec, names: readonly string[] | undefined): FeaturePlan[] {
  const { name: tensor, shape, datatype } = spec;
  const kind = datatype.startsWith('FP') ? 'numeric' : 'integers';
  const columns = shape.length === 1 ? 1 : shape.at(-1)!;
  const plain = shape.length === 1 || shape.length === 2;
  if (plain && columns >= 1 && columns <= limits.featuresMax / 2) {
    return Array.from({ length: columns }, (_, column) => ({
      name: names?.[column] ?? (columns === 1 ? tensor : `${tensor}[${column}]`),
      role: 'input' as const,
      source: { tensor, column },
      kind,
    }));
  }
  if (shape.length === 0 || datatype === 'BYTES') return [];
  return (['mean', 'stddev'] as const).map((summary) => ({
    name: `${tensor} ${summary}`,
    role: 'input' as const,
    source: { tensor, summary },
    kind: 'numeric' as const,
  }));
}

function planOutput(spec: TensorSpec, classes: readonly string[] | undefined): FeaturePlan[] {
  const { name: tensor, shape, datatype } = spec;
  // Outputs of higher rank are states to hand back, masks and images: no one number stands for them.
  if (shape.length === 0 || shape.length > 2) return [];
  const role = 'output' as const;
  const columns = shape.length === 1 ? 1 : shape.at(-1)!;
  const isNumber = datatype.startsWith('FP');
  if (columns === 1 || (columns >= 1 && columns <= OUTPUT_COLUMNS_MAX)) {
    const known = isNumber || datatype === 'BYTES' ? undefined : classes?.map((_, i) => String(i));
    return Array.from({ length: columns }, (_, column) => ({
      name: columns === 1 ? tensor : `${tensor}[${column}]`,
      role,
      source: { tensor, column },
      kind: isNumber ? ('numeric' as const) : (known ?? []),
    }));
  }
  if (!isNumber || columns < 1) return [];
  const best: FeaturePlan = {
    name: `${tensor} max`,
    role,
    source: { tensor, summary: 'max' },
    kind: 'numeric',
  };
  if (columns > limits.categoriesMax) return [best];
  const categories = Array.from({ length: columns }, (_, i) => String(i));
  return [{ name: `${tensor} argmax`, role, source: { tensor, summary: 'argmax' }, kind: categories }, best];
}

function areCategories(kind: 'integers' | readonly string[], numbers: readonly number[]): boolean {
  const most = kind === 'integers' ? INPUT_CATEGORIES_MAX : limits.categoriesMax;
  const seen = new Set<number>();
  for (const value of numbers) {
    if (!Number.isInteger(value)) return false;
    if (seen.add(value).size > most) return false;
  }
  return true;
}

/** The categories wanted, then those seen, most frequent first where they are too many. */
function categoriesOf(values: readonly (number | string)[], wanted: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const value of values) {
    if (typeof value === 'number' && Number.isNaN(value)) continue;
    const text = String(value);
    if (text.length <= 128) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const seen = [...counts].sort((a, b) => b[1] - a[1]).map(([text]) => text);
  const all = [...wanted, ...seen.filter((text) => !wanted.includes(text))].slice(0, limits.categoriesMax);
  return wanted.length > 0 ? all : all.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
