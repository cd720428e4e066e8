/**
 * Population Stability Index between two sets of counts over the same cells, and the value that chance alone exceeds.
 *
 *   PSI = Σ (p_i − q_i) · ln(p_i / q_i), p and q the shares of reference and current counts.
 *
 * Cells empty in both are left out. Half a row is added to every cell that is left, in both samples (Jeffreys' prior),
 * so that an empty cell costs what a sample of that size can prove and no more; replacing zero shares by a small
 * constant, as is common, makes small samples drift by themselves.
 */
import { chiSquareQuantile } from './normal-quantile.ts';

const PRIOR = 0.5;

export interface Psi {
  readonly psi: number;
  /** PSI that is exceeded with probability alpha when both samples come from one distribution. */
  readonly critical: number;
  /** Cells with rows in either sample. */
  readonly cells: number;
}

/**
 * Both arrays have the same cells. `critical` is (1/N + 1/M)·χ²_{B−1, 1−alpha} (B. Yurdakul, "Statistical Properties of
 * Population Stability Index", 2018); infinite when either sample is empty, 0 with a single cell.
 */
export function populationStability(
  reference: readonly number[],
  current: readonly number[],
  alpha: number,
): Psi {
  const used = reference.map((n, i) => [n, current[i]!] as const).filter(([a, b]) => a > 0 || b > 0);
  const cells = used.length;
  const referenceRows = used.reduce((sum, [n]) => sum + n, 0);
  const currentRows = used.reduce((sum, [, n]) => sum + n, 0);
  if (referenceRows === 0 || currentRows === 0) return { psi: 0, critical: Number.POSITIVE_INFINITY, cells };
  if (cells < 2) return { psi: 0, critical: 0, cells };
  let psi = 0;
  for (const [a, b] of used) {
    const p = (a + PRIOR) / (referenceRows + PRIOR * cells);
    const q = (b + PRIOR) / (currentRows + PRIOR * cells);
    psi += (p - q) * Math.log(p / q);
  }
  return {
    psi,
    critical: (1 / referenceRows + 1 / currentRows) * chiSquareQuantile(1 - alpha, cells - 1),
    cells,
  };
}
