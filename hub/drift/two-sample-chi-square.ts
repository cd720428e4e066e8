/**
 * χ² test of homogeneity of two samples counted over the same cells (K. Pearson, Biometrika 8, 1911; Press et al., Numerical Recipes, 3rd
 * edition, §14.3.2): Σ (√(M/N)·n_i − √(N/M)·m_i)² / (n_i + m_i), with one degree of freedom less than cells that have rows. It equals
 * that of a contingency table of two lines, without Yates' correction.
 */
import { chiSquareTail } from './chi-square.ts';

export interface TwoSampleChiSquare {
  readonly statistic: number;
  readonly degrees: number;
  readonly p: number;
}

/** Undefined where either sample is empty or all rows are in one cell. */
export function twoSampleChiSquare(
  reference: readonly number[],
  current: readonly number[],
): TwoSampleChiSquare | undefined {
  const n = reference.reduce((sum, count) => sum + count, 0);
  const m = current.reduce((sum, count) => sum + count, 0);
  const cells = reference.filter((count, i) => count + current[i]! > 0).length;
  if (!(n > 0) || !(m > 0) || cells < 2) return undefined;
  const [ofReference, ofCurrent] = [Math.sqrt(m / n), Math.sqrt(n / m)];
  const statistic = reference.reduce((sum, count, i) => {
    const both = count + current[i]!;
    return both > 0 ? sum + (ofReference * count - ofCurrent * current[i]!) ** 2 / both : sum;
  }, 0);
  return { statistic, degrees: cells - 1, p: chiSquareTail(statistic, cells - 1) };
}
