import { describe, expect, it } from 'vitest';
import { numericEdges } from '../../../../cli/packing/numeric-edges.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { cellOf } from '../../../../shared/sketch/histogram-counts.ts';

const options = { cells: 20, role: 'input' } as const;
const times = (count: number, value: number) => new Array<number>(count).fill(value);

describe('numericEdges()', () => {
  it('puts edges at the quantiles, so that cells hold equally many', () => {
    const values = Array.from({ length: 101 }, (_, i) => i);
    expect(numericEdges(values, { ...options, cells: 4 })).toEqual([25, 50, 75]);
  });

  it('puts edges halfway between few distinct values', () => {
    expect(numericEdges([1, 2, 4, 8], options)).toEqual([1.5, 3, 6]);
  });

  it('gives a value that makes up more than a tenth a cell of its own, and the rest quantiles', () => {
    const edges = numericEdges(
      [...times(400, 5), ...Array.from({ length: 600 }, (_, i) => i / 100)],
      options,
    );
    const cell = cellOf(edges, 5);
    for (const near of [4.99, 4.9999, 5.0001, 5.01]) expect(cellOf(edges, near)).not.toBe(cell);
    expect(edges.length).toBeGreaterThanOrEqual(10);
  });

  it('is not drawn out by one outlier', () => {
    const edges = numericEdges(
      [...times(960, 0), ...Array.from({ length: 39 }, (_, i) => i + 1), 1e9],
      options,
    );
    const cells = new Set([0, 3, 20, 500].map((value) => cellOf(edges, value)));
    expect(cells.size).toBe(4);
  });

  it.each<[string, number[]]>([
    ['one value', times(3, 5)],
    ['zero', times(2, 0)],
    ['zero and minus zero', [0, -0, 0]],
    ['two values', [0, 1, 1]],
    ['the greatest number', times(60, Number.MAX_VALUE)],
    ['both ends of the numbers', [...times(30, Number.MAX_VALUE), ...times(30, -Number.MAX_VALUE)]],
    ['many values with one sentinel', [...Array.from({ length: 60 }, (_, i) => i / 10), Number.MAX_VALUE]],
    ['the least number', times(60, Number.MIN_VALUE)],
    ['denormals', [...times(60, 1e-310), ...times(60, 2e-310)]],
    [
      'neighbouring doubles',
      [...times(60, 1), ...times(60, 1 + Number.EPSILON), ...times(60, 1 - Number.EPSILON / 2)],
    ],
    ['integers beyond 2^53', Array.from({ length: 99 }, (_, i) => 2 ** 60 + i * 256)],
    ['one value nearly everywhere', [...times(1000, 0), ...Array.from({ length: 30 }, (_, i) => i + 1)]],
    ['nine values of a tenth and a little each', Array.from({ length: 990 }, (_, i) => i % 9)],
  ])('gives finite, strictly rising edges within the bound for %s', (_, values) => {
    for (const role of ['input', 'output'] as const) {
      for (const cells of [4, 20]) {
        const edges = numericEdges(values, { cells, role });
        expect(edges.length).toBeGreaterThanOrEqual(2);
        expect(edges.length).toBeLessThanOrEqual(limits.binsMax + 1);
        expect(edges.every(Number.isFinite)).toBe(true);
        for (let i = 1; i < edges.length; i += 1) expect(edges[i]).toBeGreaterThan(edges[i - 1]!);
      }
    }
  });

  it('tells a constant zero from the least number that FP32 holds in full', () => {
    const edges = numericEdges(times(60, 0), options);
    expect(cellOf(edges, 2 ** -125)).not.toBe(cellOf(edges, 0));
    expect(cellOf(edges, -(2 ** -125))).not.toBe(cellOf(edges, 0));
  });

  it('takes outputs that another device computes a little differently for the same', () => {
    const edges = numericEdges(times(60, 0.75), { ...options, role: 'output' });
    expect(cellOf(edges, 0.7501)).toBe(cellOf(edges, 0.75));
    expect(cellOf(edges, 0.76)).not.toBe(cellOf(edges, 0.75));
  });
});
