import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addBlockNumbers,
  blockLengths,
  OpenBlocks,
  SCORE_MAX,
  scoreOf,
  sumsByLength,
} from '../../../../shared/sketch/block-sums.ts';

const scores = fc.array(fc.integer({ min: -SCORE_MAX, max: SCORE_MAX }), { maxLength: 3_000 });

/** The definition, for one length: full blocks of consecutive rows, each but the first. */
function expectedSums(all: readonly number[], rows: number) {
  const scoresOf = Array.from({ length: Math.floor(all.length / rows) }, (_, i) =>
    all.slice(i * rows, (i + 1) * rows).reduce((sum, score) => sum + score, 0),
  );
  const following = scoresOf.slice(1);
  return {
    rows,
    blocks: following.length,
    sumSquares: following.reduce((sum, score) => sum + score ** 2, 0),
    squaredSteps: following.reduce((sum, score, i) => sum + (score - scoresOf[i]!) ** 2, 0),
  };
}

describe('block sums', () => {
  it('are those of consecutive full blocks, wherever windows are cut', () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 500 }), (all, window) => {
        const open = new OpenBlocks();
        const sums: number[] = [];
        for (const [row, score] of all.entries()) {
          open.add(score);
          if (row % window === window - 1) addBlockNumbers(sums, open.take());
        }
        addBlockNumbers(sums, open.take());
        const expected = blockLengths.map((rows) => expectedSums(all, rows));
        expect(sumsByLength(sums)).toEqual(expected.filter(({ blocks }) => blocks > 0));
      }),
    );
  });

  it('hold nothing before a block follows another one', () => {
    const open = new OpenBlocks();
    open.add(SCORE_MAX);
    expect(open.take()).toEqual([]);
    open.add(SCORE_MAX);
    expect(open.take()).toEqual([1, SCORE_MAX ** 2, 0]);
  });

  it('score the cells of any feature from one end to the other, in their order', () => {
    for (const cells of [2, 3, 12, 21, 22, 257]) {
      const all = Array.from({ length: cells }, (_, cell) => scoreOf(cell, cells));
      expect(all).toEqual(all.toSorted((a, b) => a - b));
      expect(all[0]).toBe(-SCORE_MAX);
      expect(all.at(-1)).toBeLessThanOrEqual(SCORE_MAX);
      expect(all.at(-1)).toBeGreaterThanOrEqual(0);
    }
  });

  it('can be taken away again', () => {
    const sums = [3, 4, 5];
    addBlockNumbers(sums, [1, 1, 1, 2, 2, 2]);
    addBlockNumbers(sums, [1, 1, 1, 2, 2, 2], -1);
    expect(sums).toEqual([3, 4, 5, 0, 0, 0]);
  });
});
