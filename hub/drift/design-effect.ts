/**
 * Design effect: how many rows of a stream carry the evidence of one independent row (L. Kish, "Survey Sampling", 1965, §8.2), from block
 * sums (shared/sketch/block-sums.ts).
 *
 *   effect(B) = Var(sum of a block of B rows) / (B · Var(row))
 *
 * is 1 for independent rows and grows with B for dependent ones, until blocks are longer than the memory of the stream. For units of n
 * rows it is read at B = n, between lengths on a straight line of logarithms. Where n is beyond the longest length with enough blocks, it goes
 * on growing, each time at the share of the slope before by which the slope last fell: for a stream whose correlation decays exponentially
 * that is a little too much, never too little.
 */
import { type LengthSums, scoreOf, sumsByLength } from '../../shared/sketch/block-sums.ts';

/** Fewer blocks of a length say nothing of its variance. */
const blocksMin = 8;
/** Between one length and the next. */
const RATIO = 4;

interface Point {
  readonly rows: number;
  readonly effect: number;
}

/**
 * `blocks`: flat numbers of block sums; `counts`: rows by cell over the same units; `rows`: those of one unit, more than 0.
 * At least 1; undefined where there are too few blocks.
 */
export function designEffect(
  blocks: readonly number[],
  counts: readonly number[],
  rows: number,
): number | undefined {
  const variance = scoreVariance(counts);
  if (variance === 0) return 1;
  const points = sumsByLength(blocks)
    .filter((sums) => sums.blocks >= blocksMin)
    .map((sums): Point => ({ rows: sums.rows, effect: effectOf(sums, variance) }));
  if (points.length === 0) return undefined;
  return at([{ rows: 1, effect: 1 }, ...points], rows);
}

/** Between 1 and the length of the block: rows that are all alike are one row. */
function effectOf({ rows, blocks, sum, sumSquares }: LengthSums, variance: number): number {
  const mean = sum / blocks;
  const ofBlocks = ((sumSquares / blocks - mean * mean) * blocks) / (blocks - 1);
  return Math.min(rows, Math.max(1, ofBlocks / (rows * variance)));
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

function scoreVariance(counts: readonly number[]): number {
  let n = 0;
  let sum = 0;
  let sumSquares = 0;
  for (const [cell, count] of counts.entries()) {
    const score = scoreOf(cell, counts.length);
    n += count;
    sum += count * score;
    sumSquares += count * score * score;
  }
  return n === 0 ? 0 : sumSquares / n - (sum / n) ** 2;
}
