import { describe, expect, it } from 'vitest';
import { pooledCategories } from '../../../../hub/drift/pooled-categories.ts';

const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

describe('pooledCategories()', () => {
  it('leaves categories alone that expect five rows', () => {
    expect(
      pooledCategories({ counts: [300, 100, 200], unseen: 0 }, { counts: [30, 10, 20], unseen: 1 }),
    ).toEqual({ reference: [300, 100, 200, 0], current: [30, 10, 20, 1] });
  });

  it('merges rare ones, as they are listed, and keeps those the reference does not have alone', () => {
    expect(
      pooledCategories({ counts: [900, 10, 0, 40, 50], unseen: 0 }, { counts: [95, 0, 3, 2, 0], unseen: 0 }),
    ).toEqual({ reference: [900, 0, 50, 50, 0], current: [95, 3, 0, 2, 0] });
  });

  it('expects as many unseen rows as the reference has values seen once', () => {
    const { reference, current } = pooledCategories(
      { counts: [1, 1, 18, 80], unseen: 4 },
      { counts: [0, 1, 18, 80], unseen: 1 },
    );
    expect(reference.at(-1)).toBe(6);
    expect(sum(reference)).toBeCloseTo(104, 9);
    expect(current.at(-1)).toBe(1);
  });

  it('treats a reference in which every value is new as expecting only new ones', () => {
    const { reference } = pooledCategories(
      { counts: new Array<number>(200).fill(1), unseen: 0 },
      { counts: new Array<number>(200).fill(0), unseen: 100 },
    );
    expect(reference.at(-1)).toBe(200);
    expect(sum(reference)).toBe(200);
  });

  it('keeps every row', () => {
    const counts = Array.from({ length: 256 }, (_, i) => i % 5);
    const now = Array.from({ length: 256 }, (_, i) => i % 3);
    const pooled = pooledCategories({ counts, unseen: 7 }, { counts: now, unseen: 9 });
    expect(sum(pooled.reference)).toBeCloseTo(sum(counts) + 7, 9);
    expect(sum(pooled.current)).toBe(sum(now) + 9);
  });

  it('takes for unseen what the end of a full list owes to the chance of the sample, within its deviation', () => {
    // Listed: four of 100 rows, and sixteen of 4, which are no more frequent than those that were left out.
    const reference = { counts: [100, 100, 100, 100, ...new Array<number>(16).fill(4)], unseen: 20 };
    const span = (last: number, unseen: number) => ({
      counts: [100, 100, 100, 100, ...new Array<number>(16).fill(last)],
      unseen,
    });
    expect(pooledCategories(reference, span(4, 20)).reference.at(-1)).toBe(20);
    expect(pooledCategories(reference, span(3, 36)).reference.at(-1)).toBeCloseTo(36, 9);
    // Sixteen deviations of 2 and no more, however many are unseen now.
    expect(pooledCategories(reference, span(0, 84)).reference.at(-1)).toBeCloseTo(52, 9);
    expect(sum(pooledCategories(reference, span(0, 84)).reference)).toBeCloseTo(484, 9);
    // A list that is not full has nothing to owe.
    expect(pooledCategories({ ...reference, unseen: 0 }, span(3, 36)).reference.at(-1)).toBe(0);
  });
});
