import { describe, expect, it } from 'vitest';
import { designEffect } from '../../../../hub/drift/design-effect.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { blockLengths, OpenBlocks, scoreOf } from '../../../../shared/sketch/block-sums.ts';

/** Rows in two cells, one half each, whose scores are −10 and 0: variance 25. */
const counts = [50_000, 50_000];
const variance = 25;

/** Variance of the mean of B rows of AR(1) over that of independent ones (G. E. P. Box, G. M. Jenkins, "Time Series Analysis", 1976, §2.1). */
function effectOfAr1(rho: number, rows: number): number {
  let effect = 1;
  for (let lag = 1; lag < rows; lag += 1) effect += 2 * (1 - lag / rows) * rho ** lag;
  return effect;
}

/** Block sums with exactly that variance, as far as `rows` fill `blocksMin` blocks. */
function blocksOfAr1(rho: number, rows: number): number[] {
  return blockLengths.flatMap((length) => {
    const blocks = Math.floor(rows / length);
    return [blocks, 0, Math.round((blocks - 1) * length * variance * effectOfAr1(rho, length))];
  });
}

describe('design effect', () => {
  it.each([0, 0.5, 0.9, 0.99])('is at a block length what the correlation %d makes of it', (rho) => {
    for (const rows of blockLengths) {
      expect(designEffect(blocksOfAr1(rho, 100_000), counts, rows)).toBeCloseTo(effectOfAr1(rho, rows), 2);
    }
  });

  it.each([0.3, 0.5, 0.7, 0.9, 0.95, 0.99])(
    'is beyond its blocks never less than the correlation %d makes of it, and at most five times as much',
    (rho) => {
      for (const measured of [128, 600, 3_000, 10_000]) {
        for (const rows of [measured, 4 * measured]) {
          const found = designEffect(blocksOfAr1(rho, measured), counts, rows)! / effectOfAr1(rho, rows);
          expect(found).toBeGreaterThan(0.99);
          expect(found).toBeLessThan(5);
        }
      }
    },
  );

  it('is 1 for a single row, for rows that are all alike and for rows that alternate', () => {
    expect(designEffect(blocksOfAr1(0.9, 10_000), counts, 1)).toBe(1);
    expect(designEffect([100, 0, 0], [400, 0], 400)).toBe(1);
    expect(designEffect([100, -200, 400, 25, -200, 1_600], counts, 400)).toBe(1);
  });

  it('is not known from fewer than eight blocks', () => {
    expect(designEffect([], counts, 100)).toBeUndefined();
    expect(designEffect([7, 0, 700], counts, 28)).toBeUndefined();
    expect(designEffect([8, 0, 700], counts, 32)).toBeGreaterThanOrEqual(1);
  });

  it('is the number of rows for a unit that always has the value it began with', () => {
    const blocks = blockLengths.flatMap((length) => [1_000, 0, 999 * length ** 2 * variance]);
    for (const rows of [4, 100, 1_024, 50_000])
      expect(designEffect(blocks, counts, rows)).toBeCloseTo(rows, 6);
  });

  it('is estimated near 1 from independent rows, and seldom above 3', () => {
    const random = seededRandom(4_711);
    const effects = Array.from({ length: 200 }, () => {
      const open = new OpenBlocks();
      const seen = new Array<number>(20).fill(0);
      for (let row = 0; row < 500; row += 1) {
        const cell = Math.floor(random() * 20);
        seen[cell]! += 1;
        open.add(scoreOf(cell, 20));
      }
      return designEffect(open.take(), seen, 500)!;
    }).sort((a, b) => a - b);
    expect(effects[100]).toBeLessThan(1.2);
    expect(effects[190]).toBeLessThan(3);
  });
});
