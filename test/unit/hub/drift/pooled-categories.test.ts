import { describe, expect, it } from 'vitest';
import { pooledCategories } from '../../../../hub/drift/pooled-categories.ts';

describe('pooledCategories()', () => {
  it('leaves categories alone that expect five rows', () => {
    expect(pooledCategories([300, 100, 200], [30, 10, 20])).toEqual({
      reference: [100, 200, 300],
      current: [10, 20, 30],
    });
  });

  it('takes rare ones together, rarest first, and keeps those the reference does not have alone', () => {
    expect(pooledCategories([900, 10, 0, 40, 50], [95, 0, 3, 2, 0])).toEqual({
      reference: [50, 50, 900, 0],
      current: [2, 0, 95, 3],
    });
  });

  it('keeps every count', () => {
    const reference = Array.from({ length: 256 }, (_, i) => i % 5);
    const current = Array.from({ length: 256 }, (_, i) => i % 3);
    const pooled = pooledCategories(reference, current);
    const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
    expect([sum(pooled.reference), sum(pooled.current)]).toEqual([sum(reference), sum(current)]);
  });
});
