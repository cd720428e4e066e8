/**
 * Counts of every feature of a reference profile over one window. Tensors go in, integers and sums come out: nothing of
 * a row is kept (promise P7).
 */
import { limits } from '../base/limits.ts';
import type { Tensor } from '../inference/tensor.ts';
import type { FeatureProfile, ReferenceProfile } from '../manifest/reference-profile.ts';
import type { FeatureCounts } from '../protocol/telemetry-report.ts';
import { OpenBlocks, scoreOf } from '../sketch/block-sums.ts';
import { CategoryCounts } from '../sketch/category-counts.ts';
import { HistogramCounts } from '../sketch/histogram-counts.ts';
import { MomentSums } from '../sketch/moment-sums.ts';
import { type FeatureValue, featureValues } from './feature-value.ts';
import { TensorReading } from './tensor-reading.ts';

interface CountedFeature {
  readonly profile: FeatureProfile;
  add(value: FeatureValue): void;
  result(): FeatureCounts;
}

/** The open blocks of each feature; they pass from one window of a version to the next. */
export type OpenFeatureBlocks = ReadonlyMap<string, OpenBlocks>;

export function openFeatureBlocks({ features }: ReferenceProfile): OpenFeatureBlocks {
  return new Map(features.map(({ name }) => [name, new OpenBlocks()]));
}

export class WindowCounts {
  readonly #features: readonly CountedFeature[];
  /** Tensors that a feature names. */
  readonly #names: Readonly<Record<'input' | 'output', ReadonlySet<string>>>;

  /** `blocks`: those that the window before has left open. */
  constructor({ features }: ReferenceProfile, blocks?: OpenFeatureBlocks) {
    this.#features = features.map((feature) =>
      countedFeature(feature, blocks?.get(feature.name) ?? new OpenBlocks()),
    );
    const namesOf = (role: 'input' | 'output') =>
      new Set(features.filter((one) => one.role === role).map((one) => one.source.tensor));
    this.#names = { input: namesOf('input'), output: namesOf('output') };
  }

  /**
   * Counts the rows of one request. A tensor that a feature names and that is not there counts as one missing value.
   * Throws `tensor_invalid`, before anything is counted, when a tensor's bytes are not those of its shape.
   */
  add(inputs: readonly Tensor[], outputs: readonly Tensor[]): void {
    const tensors = {
      input: readNamed(inputs, this.#names.input),
      output: readNamed(outputs, this.#names.output),
    };
    for (const feature of this.#features) {
      const { role, source } = feature.profile;
      const read = tensors[role].get(source.tensor);
      if (read === undefined) feature.add(Number.NaN);
      else {
        const { tensor, reading } = read;
        for (const value of featureValues(source, tensor, reading, limits.rowsCountedPerRequestMax)) {
          feature.add(value);
        }
      }
    }
  }

  /** The counts so far, in the profile's order; to be called once, for it takes the full blocks out. */
  result(): FeatureCounts[] {
    return this.#features.map((feature) => feature.result());
  }
}

/** Each tensor that a feature names, read once however many do; the others are not looked at. */
function readNamed(
  tensors: readonly Tensor[],
  names: ReadonlySet<string>,
): ReadonlyMap<string, { readonly tensor: Tensor; readonly reading: TensorReading }> {
  const named = tensors.filter((tensor) => names.has(tensor.name));
  return new Map(named.map((tensor) => [tensor.name, { tensor, reading: new TensorReading(tensor) }]));
}

function countedFeature(profile: FeatureProfile, blocks: OpenBlocks): CountedFeature {
  const cells = countsLength(profile);
  const scores = Array.from({ length: cells }, (_, cell) => scoreOf(cell, cells));
  const addBlock = (cell: number | undefined) => {
    if (cell !== undefined) blocks.add(scores[cell]!);
  };
  if (profile.kind === 'categorical') {
    const counts = new CategoryCounts(profile.categories);
    return {
      profile,
      add: (value) => addBlock(counts.add(value)),
      result: () => ({
        name: profile.name,
        counts: [...counts.counts, counts.unseen],
        missing: counts.missing,
        ...takeBlocks(blocks),
      }),
    };
  }
  const counts = new HistogramCounts(profile.edges);
  const moments = new MomentSums(profile.moments.shift);
  return {
    profile,
    add(value) {
      const number = typeof value === 'string' ? Number.NaN : Number(value);
      addBlock(counts.add(number));
      moments.add(number);
    },
    result: () => ({
      name: profile.name,
      counts: counts.counts.slice(),
      missing: counts.missing,
      // The sums of one row are the row: they leave the device only when enough rows hide in them.
      ...(moments.n >= limits.momentRowsMin
        ? { moments: { n: moments.n, sum: moments.sum, sumSquares: moments.sumSquares } }
        : {}),
      ...takeBlocks(blocks),
    }),
  };
}

function takeBlocks(open: OpenBlocks): Pick<FeatureCounts, 'blocks'> {
  const blocks = open.take();
  return blocks.length > 0 ? { blocks } : {};
}

/** Number of counts a feature of this profile has in a report. */
export function countsLength(profile: FeatureProfile): number {
  return profile.kind === 'numeric' ? profile.edges.length + 1 : profile.categories.length + 1;
}
