import { describe, expect, it } from 'vitest';
import { benjaminiHochberg } from '../../../../hub/drift/benjamini-hochberg.ts';
import { kolmogorovSmirnov, kolmogorovTail } from '../../../../hub/drift/ks.ts';
import { chiSquareQuantile, normalQuantile } from '../../../../hub/drift/normal-quantile.ts';
import { populationStability } from '../../../../hub/drift/psi.ts';
import golden from '../../../fixtures/drift/golden.json' with { type: 'json' };

/** Figures of numpy and scipy; the fixture names their versions and test/fixtures/drift/make.py makes it. */
describe('drift figures against an independent program', () => {
  it('agrees on PSI to ten digits', () => {
    for (const { reference, current, psi } of golden.cases) {
      expect(populationStability(reference, current, 0.01).psi).toBeCloseTo(psi, 10);
    }
  });

  it('agrees on the critical value of PSI within 1.5 %', () => {
    for (const { reference, current, critical } of golden.cases) {
      const ours = populationStability(reference, current, 0.01).critical;
      expect(Math.abs(ours / critical - 1)).toBeLessThan(0.015);
    }
  });

  it('agrees on D and its p-value, and D never exceeds that of the rows', () => {
    for (const { reference, current, d, p, dOfRows } of golden.cases) {
      const ours = kolmogorovSmirnov(reference, current)!;
      expect(ours.d).toBeCloseTo(d, 12);
      expect(ours.p).toBeCloseTo(p, 9);
      expect(ours.d).toBeLessThanOrEqual(dOfRows + 1e-12);
    }
  });

  it('agrees on quantiles: normal to nine digits, χ² within 1 % (5 % for one or two degrees, 2 % at 0.999)', () => {
    for (const { p, z } of golden.normal) expect(normalQuantile(p)).toBeCloseTo(z, 7);
    for (const { p, k, x } of golden.chiSquare) {
      expect(Math.abs(chiSquareQuantile(p, k) / x - 1), `χ² ${p} ${k}`).toBeLessThan(
        k < 3 ? 0.05 : p > 0.99 ? 0.02 : 0.01,
      );
    }
  });

  it('agrees on the tail of the Kolmogorov distribution', () => {
    for (const { lambda, p } of golden.kolmogorov) expect(kolmogorovTail(lambda)).toBeCloseTo(p, 8);
  });

  it('rejects the hypotheses whose adjusted p-value is at most q', () => {
    for (const { p, q, adjusted } of golden.benjaminiHochberg) {
      expect(benjaminiHochberg(p, q)).toEqual(adjusted.map((value) => value <= q + 1e-12));
    }
    expect(benjaminiHochberg([], 0.05)).toEqual([]);
  });
});
