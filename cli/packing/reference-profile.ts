/**
 * Makes a reference profile from sample values: fixes the cells of each feature and counts with the same code devices
 * count with. What the profile cannot tell is told to the publisher.
 */
import { limits } from '../../shared/base/limits.ts';
import type { TensorValues } from '../../shared/inference/exact-values.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type {
  CategoricalProfile,
  FeatureProfile,
  NumericProfile,
  ReferenceProfile,
} from '../../shared/manifest/reference-profile.ts';
import { OpenBlocks, scoreOf } from '../../shared/sketch/block-sums.ts';
import { CategoryCounts } from '../../shared/sketch/category-counts.ts';
import { HistogramCounts } from '../../shared/sketch/histogram-counts.ts';
import { MomentSums } from '../../shared/sketch/moment-sums.ts';
import { type FeatureValue, featureValues } from '../../shared/telemetry/feature-value.ts';
import { TensorReading } from '../../shared/telemetry/tensor-reading.ts';
import { countsLength } from '../../shared/telemetry/window-counts.ts';
import { countText } from '../count-text.ts';
import type { FeaturePlan } from './feature-plan.ts';
import { numericEdges } from './numeric-edges.ts';

const INPUT_CATEGORIES_MAX = 16;

export interface BuiltProfile {
  readonly profile: ReferenceProfile;
  readonly remarks: readonly string[];
}

/** Values of planned features, collected run by run. */
export class ProfileBuilder {
  readonly #plans: readonly FeaturePlan[];
  readonly #values: FeatureValue[][];
  readonly #seen = new Set<string>();

  constructor(plans: readonly FeaturePlan[]) {
    this.#plans = plans;
    this.#values = plans.map(() => []);
  }

  /** Takes the tensors of one run of the given role; `elements` are a tensor's own where some of them are missing. */
  add(role: 'input' | 'output', tensors: readonly (Tensor & { readonly elements?: TensorValues })[]): void {
    for (const tensor of tensors) {
      this.#seen.add(seenKey(role, tensor.name));
      let reading: TensorReading | undefined;
      for (const [i, plan] of this.#plans.entries()) {
        if (plan.role !== role || plan.source.tensor !== tensor.name) continue;
        reading ??= new TensorReading(tensor, tensor.elements);
        for (const value of featureValues(plan.source, tensor, reading)) this.#values[i]!.push(value);
      }
    }
  }

  /**
   * The profile over everything added. Features of tensors that were never added, or never had a row, are left out. `ordered`: rows were added
   * in the order of time.
   */
  build({
    rows,
    cells,
    ordered = false,
  }: {
    readonly rows: number;
    readonly cells: number;
    readonly ordered?: boolean;
  }): BuiltProfile {
    const features: FeatureProfile[] = [];
    const remarks: string[] = [];
    const budget = categoryBudget(this.#plans.filter(({ kind }) => kind !== 'numeric').length);
    for (const [i, plan] of this.#plans.entries()) {
      const values = this.#values[i]!;
      if (values.length === 0) {
        const { tensor } = plan.source;
        if (this.#seen.delete(seenKey(plan.role, tensor))) {
          remarks.push(
            `${plan.role} "${tensor}" has no row in the whole sample: it has no feature, so its drift is not seen`,
          );
        }
        continue;
      }
      const feature = profileFeature(plan, values, cells, budget);
      features.push(ordered ? { ...feature, blocks: blocksOf(feature, values) } : feature);
      remarks.push(...remarksOn(feature, values));
    }
    const fewest = Math.min(...this.#values.flatMap(({ length }) => (length > 0 ? [length] : [])));
    if (fewest < limits.driftRowsMin) {
      remarks.push(
        `the profile has ${countText(fewest, 'row')}, and drift is judged from ${limits.driftRowsMin} rows on: it will say "too-few" until the sample has that many`,
      );
    }
    return { profile: { rows, features }, remarks };
  }
}

/** Block sums of the values in their order. */
function blocksOf(feature: FeatureProfile, values: readonly FeatureValue[]): number[] {
  const blocks = new OpenBlocks();
  const counts =
    feature.kind === 'numeric' ? new HistogramCounts(feature.edges) : new CategoryCounts(feature.categories);
  for (const value of values) {
    const cell = counts instanceof HistogramCounts ? counts.add(Number(value)) : counts.add(value);
    if (cell !== undefined) blocks.add(scoreOf(cell, countsLength(feature)));
  }
  return blocks.take();
}

/** An output may have the name of an input. */
function seenKey(role: 'input' | 'output', tensor: string): string {
  return `${role} ${tensor}`;
}

/** Profiles one feature of at least one value, which may be missing. */
export function profileFeature(
  { name, role, source, kind }: FeaturePlan,
  values: readonly FeatureValue[],
  cells: number,
  budget: CategoryBudget = categoryBudget(1),
): FeatureProfile {
  const of = { name, role, source };
  const isText = values.some((value) => typeof value === 'string');
  if (isText || (kind !== 'numeric' && areCategories(kind, values))) {
    const categories = categoriesOf(values, typeof kind === 'string' ? [] : kind, budget);
    if (categories.length > 0 || isText) {
      // A profile lists at least one category; texts that may not be listed leave the empty one.
      return categoricalProfile(of, categories.length > 0 ? categories : [''], values);
    }
  }
  return numericProfile(of, values.map(Number), cells);
}

type Identity = Pick<FeatureProfile, 'name' | 'role' | 'source'>;

function categoricalProfile(
  of: Identity,
  categories: readonly string[],
  values: readonly FeatureValue[],
): CategoricalProfile {
  const counted = new CategoryCounts(categories);
  for (const value of values) counted.add(value);
  const { counts, unseen, missing } = counted;
  return { kind: 'categorical', ...of, categories: [...categories], counts, unseen, missing };
}

function numericProfile(of: Identity, numbers: readonly number[], cells: number): NumericProfile {
  const present = numbers.filter((number) => !Number.isNaN(number));
  // Without any value there is nothing to lay cells by; wherever a value falls then, the reference has none there.
  const edges = present.length === 0 ? [0, 1] : numericEdges(present.map(clamped), { cells, role: of.role });
  const histogram = new HistogramCounts(edges);
  const moments = new MomentSums(shiftOf(present.filter(Number.isFinite)));
  for (const number of numbers) {
    histogram.add(number);
    moments.add(number);
  }
  const { n, shift, sum, sumSquares } = moments;
  const { counts, missing } = histogram;
  return { kind: 'numeric', ...of, edges, counts, missing, moments: { n, shift, sum, sumSquares } };
}

/** Infinity as the greatest number there is: where it is frequent, the edges leave nothing but infinity beyond them. */
function clamped(number: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, number));
}

/** A number near most of the values: their median, which no outlier moves. */
function shiftOf(finite: readonly number[]): number {
  if (finite.length === 0) return 0;
  const sorted = Float64Array.from(finite).sort();
  return Number(sorted[Math.floor((sorted.length - 1) / 2)]!.toPrecision(6));
}

function areCategories(kind: 'integers' | readonly string[], values: readonly FeatureValue[]): boolean {
  const most = kind === 'integers' ? INPUT_CATEGORIES_MAX : limits.categoriesMax;
  const seen = new Set<FeatureValue>();
  for (const value of values) {
    if (typeof value === 'number' && !Number.isInteger(value)) {
      if (Number.isNaN(value)) continue;
      return false;
    }
    if (seen.add(value).size > most) return false;
  }
  return true;
}

/** What one feature's categories may take where `features` share the bounds of a profile. */
interface CategoryBudget {
  readonly most: number;
  readonly bytes: number;
}

function categoryBudget(features: number): CategoryBudget {
  const share = Math.max(1, features);
  return {
    most: Math.min(limits.categoriesMax, Math.floor(limits.profileCategoriesMax / share)),
    bytes: Math.floor(limits.profileCategoryBytesMax / share),
  };
}

/** The categories wanted, then those seen, most frequent first where they are too many. */
function categoriesOf(
  values: readonly FeatureValue[],
  wanted: readonly string[],
  { most, bytes }: CategoryBudget,
): string[] {
  const counts = new Map<string, number>();
  for (const value of values) {
    if (typeof value === 'number' && Number.isNaN(value)) continue;
    const text = String(value);
    if (isListable(text)) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const all = wanted.slice(0, limits.categoriesMax);
  const known = new Set(all);
  let space = bytes;
  for (const [text] of [...counts].sort((a, b) => b[1] - a[1])) {
    if (known.has(text)) continue;
    space -= Buffer.byteLength(text);
    if (all.length >= most || space < 0) break;
    all.push(text);
  }
  return wanted.length > 0 ? all : all.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Whether a text may stand in the manifest, which is canonical JSON and has no lone surrogates. */
function isListable(text: string): boolean {
  return text.length <= limits.categoryCharsMax && text.isWellFormed();
}

function remarksOn(feature: FeatureProfile, values: readonly FeatureValue[]): string[] {
  const what = `${feature.role} "${feature.name}"`;
  const n = values.length;
  if (feature.missing === n) {
    return [
      `${what} has no value in any of the ${n} sample rows: watched as empty, a value on a device is drift`,
    ];
  }
  if (feature.kind === 'categorical') {
    if (feature.unseen === 0) return [];
    const { length } = feature.categories;
    return [
      `${what}: ${feature.unseen} of ${n} values are none of the ${length} categories kept (at most ${limits.categoriesMax} of ${limits.categoryCharsMax} characters, ${limits.profileCategoriesMax} over all features); changes among those are not seen`,
    ];
  }
  const far = n - feature.missing - feature.moments.n;
  if (far === 0) return [];
  const worst = values.map(Number).reduce((a, b) => (Math.abs(b) > Math.abs(a) || Number.isNaN(a) ? b : a));
  const hint = feature.role === 'input' ? '; if that means "no value", name it under "sample.missing"' : '';
  return [`${what}: ${far} of ${n} values are too large for a mean, such as ${worst}${hint}`];
}
