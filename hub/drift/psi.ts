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
  let cells = 0;
  let referenceRows = 0;
  let currentRows = 0;
  for (const [i, n] of reference.entries()) {
    const m = current[i]!;
    if (!(n > 0 || m > 0)) continue;
    cells += 1;
    referenceRows += n;
    currentRows += m;
  }
  if (referenceRows === 0 || currentRows === 0) return { psi: 0, critical: Number.POSITIVE_INFINITY, cells };
  if (cells < 2) return { psi: 0, critical: 0, cells };
  let psi = 0;
  for (const [i, n] of reference.entries()) {
    const m = current[i]!;
    if (!(n > 0 || m > 0)) continue;
    const p = (n + PRIOR) / (referenceRows + PRIOR * cells);
    const q = (m + PRIOR) / (currentRows + PRIOR * cells);
    psi += (p - q) * Math.log(p / q);
  }
  return {
    psi,
    critical: (1 / referenceRows + 1 / currentRows) * chiSquareQuantile(1 - alpha, cells - 1),
    cells,
  };
}
