import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeatureCounts } from '../../../../shared/protocol/telemetry-report.ts';
import { addFeatureCounts, copyFeatureCounts } from '../../../../shared/sketch/add-counts.ts';
import { CategoryCounts } from '../../../../shared/sketch/category-counts.ts';
import { cellOf, HistogramCounts } from '../../../../shared/sketch/histogram-counts.ts';
import { MomentSums, meanAndDeviation } from '../../../../shared/sketch/moment-sums.ts';

describe('histogram counts', () => {
  const edges = [0, 1, 2.5, 4];

  it.each([
    [-0.001, 0],
    [Number.NEGATIVE_INFINITY, 0],
    [0, 1],
    [0.999, 1],
    [1, 2],
    [2.5, 3],
    [3.9, 3],
    [4, 3],
    [4.001, 4],
    [Number.POSITIVE_INFINITY, 4],
  ])('puts %d into cell %i', (value, cell) => {
    expect(cellOf(edges, value)).toBe(cell);
  });

  it('finds the cell a linear search finds, for any edges', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true }), {
          minLength: 2,
          maxLength: 33,
          comparator: (a, b) => a === b,
        }),
        fc.double({ noNaN: true }),
        (unsorted, value) => {
          const sorted = unsorted.sort((a, b) => a - b);
          const last = sorted.length - 1;
          let wanted = sorted.filter((edge) => edge <= value).length;
          if (value === sorted[last]) wanted = last;
          expect(cellOf(sorted, value)).toBe(wanted);
        },
      ),
    );
  });

  it('counts NaN as missing and every other value once', () => {
    const counts = new HistogramCounts(edges);
    for (const value of [Number.NaN, -1, 0.5, 3, 9, 4]) counts.add(value);
    expect(counts.counts).toEqual([1, 1, 0, 2, 1]);
    expect(counts.missing).toBe(1);
  });
});

describe('category counts', () => {
  it('counts known categories, unseen ones together, and compares numbers by their text', () => {
    const counts = new CategoryCounts(['0', '1', 'cat', '0.5']);
    for (const value of [0, -0, 1, 'cat', 0.5, 7, 'dog', '__proto__', Number.NaN]) counts.add(value);
    expect(counts.counts).toEqual([2, 1, 1, 1]);
    expect(counts.unseen).toBe(3);
    expect(counts.missing).toBe(1);
  });
});

describe('moment sums', () => {
  it('gives mean and deviation without cancellation, leaving out what is not finite', () => {
    const sums = new MomentSums(1e9);
    for (const value of [1e9 + 1, 1e9 + 3, Number.POSITIVE_INFINITY, Number.NaN]) sums.add(value);
    expect(meanAndDeviation(sums, 1e9)).toEqual({ mean: 1e9 + 2, deviation: 1 });
    expect(meanAndDeviation(new MomentSums(0), 0)).toBeUndefined();
  });
});

describe('adding window figures', () => {
  const cells = fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 4, maxLength: 4 });
  const blocks = fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 3, maxLength: 3 });
  const feature = fc.record({ name: fc.constant('f'), counts: cells, missing: fc.nat(), blocks });

  it('is exact and free of order for counts', () => {
    fc.assert(
      fc.property(
        fc.array(feature, { minLength: 1, maxLength: 20 }),
        fc.infiniteStream(fc.nat()),
        (all, keys) => {
          const shuffled = all.map((f) => [keys.next().value, f] as const).sort((a, b) => a[0] - b[0]);
          expect(sumOf(shuffled.map(([, f]) => f))).toEqual(sumOf(all));
        },
      ),
    );
  });

  it('does not depend on how windows are grouped', () => {
    fc.assert(
      fc.property(fc.array(feature, { minLength: 2, maxLength: 20 }), fc.nat(), (all, at) => {
        const cut = 1 + (at % (all.length - 1));
        const halves = [sumOf(all.slice(0, cut)), sumOf(all.slice(cut))];
        expect(sumOf(halves)).toEqual(sumOf(all));
      }),
    );
  });

  it('adds moments, also to windows that had none', () => {
    const sum: FeatureCounts = { name: 'f', counts: [1], missing: 0 };
    addFeatureCounts(sum, { name: 'f', counts: [2], missing: 1, moments: { n: 2, sum: 3, sumSquares: 5 } });
    addFeatureCounts(sum, { name: 'f', counts: [0], missing: 0, moments: { n: 1, sum: 1, sumSquares: 1 } });
    expect(sum).toEqual({ name: 'f', counts: [3], missing: 1, moments: { n: 3, sum: 4, sumSquares: 6 } });
  });
});

function sumOf(all: readonly FeatureCounts[]): FeatureCounts {
  const sum = copyFeatureCounts(all[0]!);
  for (const more of all.slice(1)) addFeatureCounts(sum, more);
  return sum;
}
