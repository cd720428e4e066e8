import { describe, expect, it } from 'vitest';
import { rejectionLimit } from '../../../../hub/drift/benjamini-hochberg.ts';
import { chiSquareQuantile, chiSquareTail, logGamma } from '../../../../hub/drift/chi-square.ts';
import { decilePsi } from '../../../../hub/drift/decile-psi.ts';
import { hellingerDistance } from '../../../../hub/drift/hellinger.ts';
import { jensenShannonDistance } from '../../../../hub/drift/jensen-shannon.ts';
import { kolmogorovSmirnov, kolmogorovTail } from '../../../../hub/drift/ks.ts';
import { excessOf, populationStability } from '../../../../hub/drift/psi.ts';
import { onSingleReading } from '../../../../hub/drift/significance.ts';
import { twoSampleChiSquare } from '../../../../hub/drift/two-sample-chi-square.ts';
import { wassersteinDistance } from '../../../../hub/drift/wasserstein.ts';
import golden from '../../../fixtures/drift/golden.json' with { type: 'json' };

/** How far from a figure a relative 1e-10 is, or 1e-300 about zero. */
function expectEqual(ours: number, theirs: number, what: string, relative = 1e-10) {
  expect(Math.abs(ours - theirs), `${what}: ${ours} for ${theirs}`).toBeLessThanOrEqual(
    relative * Math.abs(theirs) + 1e-300,
  );
}

/**
 * Figures of numpy and scipy on generated columns of many sizes, on air-quality and on wine; the fixture names their versions and
 * test/fixtures/drift/make.py makes it.
 */
describe('drift figures against an independent program', () => {
  it.each(golden.cases)('agree on $name to ten digits', (theirs) => {
    const { name, edges, reference, current, deviation } = theirs;
    const psi = populationStability(reference, current);
    expectEqual(psi.psi, theirs.psi, name);
    expectEqual(psi.psi - excessOf(psi), theirs.chance, name, 1e-9);
    expectEqual(onSingleReading.critical(0.01, psi), theirs.critical, name);
    // PSI itself is a sum of differences, and a tail of 1e-100 multiplies their rounding by its logarithm.
    expectEqual(onSingleReading.pValue(psi), theirs.p, name, 1e-9);
    expectEqual(jensenShannonDistance(reference, current), theirs.jensenShannon, name);
    expectEqual(hellingerDistance(reference, current), theirs.hellinger, name);
    expectEqual(wassersteinDistance(edges, reference, current) / deviation, theirs.wasserstein, name, 1e-8);
    const chi = twoSampleChiSquare(reference, current)!;
    expectEqual(chi.statistic, theirs.chiSquare.statistic, name);
    expectEqual(chi.p, theirs.chiSquare.p, name, 1e-9);
    expect(chi.degrees).toBe(theirs.chiSquare.degrees);
    const ks = kolmogorovSmirnov(reference, current)!;
    expect(ks.d).toBeCloseTo(theirs.d, 12);
    expect(ks.p).toBeCloseTo(theirs.pOfD, 9);
  });

  it('never have a D above that of the rows, and lie near their Wasserstein distance: within 0.02 of a deviation where none repeat', () => {
    for (const { name, edges, reference, current, deviation, dOfRows, wassersteinOfRows } of golden.cases) {
      expect(kolmogorovSmirnov(reference, current)!.d).toBeLessThanOrEqual(dOfRows + 1e-12);
      const ours = wassersteinDistance(edges, reference, current) / deviation;
      expect(Math.abs(ours - wassersteinOfRows), name).toBeLessThan(/normal/.test(name) ? 0.02 : 0.1);
    }
  });

  it('reproduce the PSI of published tables from bins, where the deciles are among their edges', () => {
    const deciles = golden.cases.filter((theirs) => theirs.deciles !== undefined);
    expect(deciles.length).toBeGreaterThan(10);
    for (const { name, reference, current, deciles: theirs } of deciles) {
      expectEqual(decilePsi(reference, current)!, theirs!, name);
    }
  });

  it('agree on the tail of χ² to eleven digits however far out, and on its quantiles', () => {
    for (const { p, k, x } of golden.chiSquare) {
      expectEqual(chiSquareTail(x, k), p, `P(χ²_${k} > ${x})`, 1e-11);
      expectEqual(chiSquareQuantile(p, k), x, `quantile ${p} of χ²_${k}`, 1e-11);
    }
    for (const { a, value } of golden.logGamma) expect(logGamma(a)).toBeCloseTo(value, 11);
  });

  it('agree on the tail of the Kolmogorov distribution', () => {
    for (const { lambda, p } of golden.kolmogorov) expect(kolmogorovTail(lambda)).toBeCloseTo(p, 8);
  });

  it('reject the hypotheses whose adjusted p-value is at most q', () => {
    for (const { p, q, adjusted } of golden.benjaminiHochberg) {
      const limit = rejectionLimit(p, q);
      expect(p.map((value) => value <= limit)).toEqual(adjusted.map((value) => value <= q + 1e-12));
    }
    expect(rejectionLimit([], 0.05)).toBe(0.05);
  });
});
