/**
 * Counts of a feature as cells that can be compared, as rows that do not depend on each other: every count is divided by the
 * design effect of its sample. Missing values are a cell of their own: a sensor that went dead is the strongest drift there is.
 */
import { limits } from '../../shared/base/limits.ts';
import type { FeatureProfile, NumericProfile } from '../../shared/manifest/reference-profile.ts';
import type { Moments } from '../telemetry/rollups/rollup-sums.ts';
import { isNoiseAboutConstant } from './constant-noise.ts';
import { type PooledCells, pooledCategories } from './pooled-categories.ts';

/**
 * How many rows make one independent row, 1 or more (L. Kish, "Survey Sampling", 1965, §8.2): readings of one sensor a second apart
 * repeat each other.
 */
export interface DesignEffect {
  readonly reference: number;
  readonly current: number;
}

export type DesignEffects = ReadonlyMap<string, DesignEffect>;

export const independentRows: DesignEffect = { reference: 1, current: 1 };

export interface SeenCounts {
  readonly counts: readonly number[];
  readonly missing: number;
  /** Of numeric values, where they are known. */
  readonly moments?: Moments | undefined;
  /** Block sums (shared/sketch/block-sums.ts); absent where rows were not counted in their order. */
  readonly blocks?: readonly number[] | undefined;
}

/** The counts of the profile, laid out as a report has them. */
export function referenceCounts(profile: FeatureProfile): SeenCounts {
  const { missing, blocks } = profile;
  return {
    counts: profile.kind === 'numeric' ? profile.counts : [...profile.counts, profile.unseen],
    missing,
    blocks,
  };
}

/** `seen` is laid out as a report has it. */
export function featureCells(
  profile: FeatureProfile,
  seen: SeenCounts,
  effect: DesignEffect = independentRows,
): PooledCells {
  const reference = divided(referenceCounts(profile), effect.reference);
  const current = divided(seen, effect.current);
  const present =
    profile.kind === 'numeric'
      ? { reference: reference.counts, current: withoutNoise(profile, seen, current.counts) }
      : pooledCategories(asCategories(reference.counts), asCategories(current.counts));
  return {
    reference: [...present.reference, reference.missing],
    current: [...present.current, current.missing],
  };
}

/** Noise about the one value of a column is that value. */
function withoutNoise(
  profile: NumericProfile,
  seen: SeenCounts,
  counts: readonly number[],
): readonly number[] {
  if (!isNoiseAboutConstant(profile, seen)) return counts;
  return [0, counts.reduce((sum, n) => sum + n, 0), 0];
}

function divided({ counts, missing }: SeenCounts, effect: number): SeenCounts {
  if (effect === 1) return { counts, missing };
  return { counts: counts.map((n) => n / effect), missing: missing / effect };
}

function asCategories(counts: readonly number[]) {
  return { counts: counts.slice(0, -1), unseen: counts.at(-1)! };
}

/** Whether a difference can be found in so few rows, and whether there are enough that finding none is a pass. */
export function sufficiency(
  profile: FeatureProfile,
  seen: SeenCounts,
  effect: DesignEffect = independentRows,
) {
  const rows = rowsOf(seen);
  const referenceRows = rowsOf(referenceCounts(profile));
  return {
    canFind: Math.min(rows, referenceRows) >= limits.driftRowsMin,
    canPass: Math.min(rows / effect.current, referenceRows / effect.reference) >= limits.driftRowsMin,
  };
}

export function rowsOf({ counts, missing }: SeenCounts): number {
  return counts.reduce((sum, n) => sum + n, missing);
}
