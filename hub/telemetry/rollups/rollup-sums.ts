/**
 * What one cell of devices adds up to in one span of time. Requests, errors, latencies and labels are plain sums of the
 * reports. Features are sums over units (unit-classes.ts): a unit is taken out as it was and put in as it is now, in the
 * transaction that changes it. Encodes to CBOR, by place and not by name.
 */
import { decodeCbor, encodeCbor } from '../../../shared/base/cbor.ts';
import { limits } from '../../../shared/base/limits.ts';
import type { FeatureCounts } from '../../../shared/protocol/telemetry-report.ts';
import { FigureSums } from '../figure-sums.ts';
import { type Addable, decodeSums } from '../sums-encoding.ts';
import type { TelemetryFigures } from '../telemetry-figures.ts';
import { UnitClasses } from './unit-classes.ts';

/** Sums from which the mean of a feature follows, as in a report. */
export interface Moments {
  readonly n: number;
  readonly sum: number;
  readonly sumSquares: number;
}

export interface FeatureRollup {
  readonly classes: UnitClasses;
  moments: Moments;
}

const FORM = 1;
export const noMoments: Moments = { n: 0, sum: 0, sumSquares: 0 };

type StoredClass = readonly [
  exponent: number,
  units: number,
  missing: number,
  counts: readonly number[],
  /** Absent in what was stored before there were any. */
  blocks?: readonly number[],
];
type StoredFeature = readonly [
  name: string,
  n: number,
  sum: number,
  sumSquares: number,
  classes: readonly StoredClass[],
];
type Stored = readonly [form: typeof FORM, figures: Uint8Array, features: readonly StoredFeature[]];

export class RollupSums {
  readonly #figures = new FigureSums();
  readonly #features = new Map<string, FeatureRollup>();
  /** Features whose means are to be forgotten by what this is added to; never stored. */
  readonly #forgotten = new Set<string>();

  /** Adds the requests, errors, latencies and labels of reports, and not their features. */
  addFigures(more: Addable): void {
    this.#figures.add({ ...more, features: [] });
  }

  /** Takes the figures of a device out again that is removed from the hub. */
  removeFigures(gone: Addable): void {
    this.#figures.remove(gone);
  }

  /** A unit has changed: `before` is empty for a new one, `after` for one that is gone. */
  replaceUnit(before: readonly FeatureCounts[], after: readonly FeatureCounts[]): void {
    for (const feature of before) this.#feature(feature.name).classes.add(feature, -1);
    for (const feature of after) this.#feature(feature.name).classes.add(feature, 1);
  }

  /** Adds the moments of reports. They are floating point and are never subtracted: see `forgetMoments`. */
  addMoments(features: readonly FeatureCounts[]): void {
    for (const { name, moments } of features) if (moments) this.#addMoments(name, moments);
  }

  /**
   * Nothing is known of the means of these features any more: one outlier of a device that is removed would leave nothing but its
   * rounding error behind if its sums were subtracted.
   */
  forgetMoments(features: readonly FeatureCounts[]): void {
    for (const { name, moments } of features) if (moments) this.#forgotten.add(name);
    for (const name of this.#forgotten) this.#feature(name).moments = noMoments;
  }

  /** Adds another one, which may be a change: sums of what was added since, less what has left. */
  add(more: RollupSums): void {
    this.#figures.add(more.figures());
    for (const name of more.#forgotten) this.#feature(name).moments = noMoments;
    for (const [name, { classes, moments }] of more.#features) {
      const feature = this.#feature(name);
      for (const [exponent, units] of classes.entries()) feature.classes.addClass(exponent, units, 1);
      this.#addMoments(name, moments);
    }
  }

  figures(): TelemetryFigures {
    return this.#figures.figures();
  }

  features(): ReadonlyMap<string, Readonly<FeatureRollup>> {
    return this.#features;
  }

  encode(): Uint8Array {
    const features = [...this.#features].map(([name, { classes, moments }]): StoredFeature => {
      const { n, sum, sumSquares } = moments;
      const stored = classes
        .entries()
        .map(
          ([exponent, { units, missing, counts, blocks }]): StoredClass => [
            exponent,
            units,
            missing,
            counts,
            blocks,
          ],
        );
      return [name, n, sum, sumSquares, stored];
    });
    return encodeCbor([FORM, this.#figures.encode(), features] satisfies Stored);
  }

  /** Reads what `encode` wrote. Throws `bad_input` and `too_large`. */
  static decode(bytes: Uint8Array): RollupSums {
    const [, figures, features] = decodeCbor(
      bytes,
      'telemetry rollup',
      limits.telemetryBucketBytesMax,
    ) as Stored;
    const sums = new RollupSums();
    sums.addFigures(decodeSums(figures));
    for (const [name, n, sum, sumSquares, classes] of features) {
      const feature = sums.#feature(name);
      feature.moments = { n, sum, sumSquares };
      for (const [exponent, units, missing, counts, blocks = []] of classes) {
        feature.classes.addClass(exponent, { units, missing, counts: [...counts], blocks: [...blocks] }, 1);
      }
    }
    return sums;
  }

  #addMoments(name: string, { n, sum, sumSquares }: Moments): void {
    const feature = this.#feature(name);
    const { moments } = feature;
    feature.moments = {
      n: moments.n + n,
      sum: moments.sum + sum,
      sumSquares: moments.sumSquares + sumSquares,
    };
  }

  #feature(name: string): FeatureRollup {
    const found = this.#features.get(name) ?? { classes: new UnitClasses(), moments: noMoments };
    this.#features.set(name, found);
    return found;
  }
}
