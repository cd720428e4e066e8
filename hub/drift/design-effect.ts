/**
 * Design effect: how many rows of a stream carry the evidence of one independent row (L. Kish, "Survey Sampling", 1965, §8.2), from block
 * sums (shared/sketch/block-sums.ts). For blocks of B rows with sum S it is
 *
 *   V(B) = Var(S) / (B · Var(row)), 1 for independent rows, and growing with B until blocks are longer than the memory of the stream.
 *
 * Of a **sample** in the order of time all of that variance counts, seasons too: V is read at as many rows as there are in a stream, between
 * lengths on a straight line of logarithms, and beyond the longest with enough blocks it grows on, with a slope that falls as it last fell.
 *
 * Of **rows in service** that would take the drift that is looked for for dependence. There the variance of blocks is half of the mean square of
 * the steps between them (J. von Neumann, Annals of Mathematical Statistics 12, 1941), which a single change hardly touches:
 *
 *   D(B) = E(S′ − S)² / (2 · B · Var(row)), and for single rows with the correlation ρ = 1 − D(1) of neighbours (1 + ρ)/(1 − ρ),
 *
 * the largest of these. What varies more slowly than an eighth of the rows is not seen; that takes an ordered sample.
 */
import type { FeatureProfile } from '../../shared/manifest/reference-profile.ts';
import { blockLengths, type LengthSums, scoreOf, sumsByLength } from '../../shared/sketch/block-sums.ts';
import { type DesignEffect, referenceCounts, type SeenCounts } from './feature-cells.ts';

/** Fewer blocks of a length say nothing of its variance. */
const blocksMin = 8;
/** Between one length and the next. */
const RATIO = blockLengths[1] / blockLengths[0];

interface Point {
  readonly rows: number;
  readonly effect: number;
}

/**
 * Of a feature whose rows come from so many streams, as equal parts. Rows without a value have no score: they are in no block.
 */
export function measuredEffect(profile: FeatureProfile, seen: SeenCounts, streams = 1): DesignEffect {
  const sample = referenceCounts(profile);
  const rows = presentRows(seen) / streams;
  return {
    reference: effectOfSample(sample, presentRows(sample)),
    current: Math.max(effectInService(seen, rows), effectOfSample(sample, rows)),
  };
}

/** Of streams of `rows` rows that vary as the sample does; 1 where the order of its rows is not known. */
export function effectOfSample({ blocks = [], counts }: SeenCounts, rows: number): number {
  const { mean, variance } = scoresOf(counts);
  if (variance === 0 || rows <= 1) return 1;
  const points = sumsByLength(blocks)
    .filter((sums) => sums.blocks >= blocksMin && sums.rows > 1)
    .map((sums) => ({
      rows: sums.rows,
      effect: bounded(sums, (sums.sumSquares / sums.blocks - (sums.rows * mean) ** 2) / variance),
    }));
  return at([{ rows: 1, effect: 1 }, ...points], rows);
}

/** Of streams of `rows` rows with these counts. */
export function effectInService({ blocks = [], counts }: SeenCounts, rows: number): number {
  const { variance } = scoresOf(counts);
  if (variance === 0) return 1;
  const effects = sumsByLength(blocks)
    // In each stream: where blocks take few steps, a single change is one of them.
    .filter((sums) => sums.blocks >= blocksMin && sums.rows * blocksMin <= rows)
    .map((sums) => {
      const half = sums.squaredSteps / (2 * sums.blocks * variance);
      return sums.rows === 1 ? Math.max(1, 2 / half - 1) : bounded(sums, half);
    });
  return Math.min(Math.max(1, rows), Math.max(1, ...effects));
}

/** Between 1 and the length of the block: rows that are all alike are one row. */
function bounded({ rows }: LengthSums, varianceOfBlocks: number): number {
  return Math.min(rows, Math.max(1, varianceOfBlocks / rows));
}

function at(points: readonly Point[], rows: number): number {
  // Rows without a distance between them are one row: there the effect grows as the block does.
  let slopeBefore = 1;
  let slope = 1;
  let from = points[0]!;
  for (const to of points.slice(1)) {
    slopeBefore = slope;
    slope = clamp(Math.log(to.effect / from.effect) / Math.log(to.rows / from.rows));
    if (rows <= to.rows) return from.effect * (rows / from.rows) ** slope;
    from = to;
  }
  if (points.length === 1) return 1;
  const fall = slopeBefore === 0 ? 0 : Math.min(1, slope / slopeBefore);
  let { effect } = from;
  for (let reached = from.rows; reached < rows && slope > 0; reached *= RATIO) {
    slope *= fall;
    effect *= Math.min(RATIO, rows / reached) ** slope;
  }
  return effect;
}

function clamp(slope: number): number {
  return Math.min(1, Math.max(0, slope));
}

function presentRows({ counts }: SeenCounts): number {
  return counts.reduce((sum, n) => sum + n, 0);
}

function scoresOf(counts: readonly number[]): { readonly mean: number; readonly variance: number } {
  let n = 0;
  let sum = 0;
  let sumSquares = 0;
  const scores = new Set<number>();
  for (const [cell, count] of counts.entries()) {
    const score = scoreOf(cell, counts.length);
    if (count !== 0) scores.add(score);
    n += count;
    sum += count * score;
    sumSquares += count * score * score;
  }
  const mean = n === 0 ? 0 : sum / n;
  // Counts with a weight are no whole numbers: rounding would leave a little of one score.
  return { mean, variance: scores.size < 2 ? 0 : sumSquares / n - mean * mean };
}
