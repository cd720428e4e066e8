/**
 * Population Stability Index between two sets of counts over the same cells, and what chance alone makes of it.
 *
 *   PSI = Σ (p_i − q_i) · ln(p_i / q_i), p and q the shares of reference and current counts.
 *
 * Cells empty in both are left out. Half a row is added to every cell that is left, in both samples (Jeffreys' prior),
 * so that an empty cell costs what a sample of that size can prove and no more; replacing zero shares by a small
 * constant, as is common, makes small samples drift by themselves.
 */
const PRIOR = 0.5;

export interface Psi {
  readonly psi: number;
  /** Used cells less one, B − 1. */
  readonly degrees: number;
  /** 1/N + 1/M: PSI is about this times χ² of `degrees` when both samples come from one distribution. Infinite without rows. */
  readonly perDegree: number;
  /**
   * What is held against χ² of `degrees`: PSI / (1/N + 1/M), or the two-sample χ² statistic where that is less. They are equal for
   * small differences; but where cells expect a handful of rows the tail of PSI is heavier than that of χ² (of versions without
   * drift 1.5 % would alarm at a level of 1 %).
   */
  readonly statistic: number;
}

/**
 * Both arrays have the same cells. What PSI is without drift follows from B. Yurdakul, "Statistical Properties of Population
 * Stability Index" (Western Michigan University, 2018), §3.
 */
export function populationStability(reference: readonly number[], current: readonly number[]): Psi {
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
  const degrees = Math.max(0, cells - 1);
  const perDegree = 1 / referenceRows + 1 / currentRows;
  if (degrees === 0 || !Number.isFinite(perDegree)) return { psi: 0, degrees, perDegree, statistic: 0 };
  let psi = 0;
  let pearson = 0;
  for (const [i, n] of reference.entries()) {
    const m = current[i]!;
    if (!(n > 0 || m > 0)) continue;
    const p = (n + PRIOR) / (referenceRows + PRIOR * cells);
    const q = (m + PRIOR) / (currentRows + PRIOR * cells);
    psi += (p - q) * Math.log(p / q);
    pearson += (n / referenceRows - m / currentRows) ** 2 / (n + m);
  }
  pearson *= referenceRows * currentRows;
  return { psi, degrees, perDegree, statistic: Math.min(psi / perDegree, pearson) };
}

/** PSI less its expectation without drift: what is left is the difference itself, whatever the sample sizes. */
export function excessOf({ psi, degrees, perDegree }: Psi): number {
  return degrees === 0 ? psi : psi - degrees * perDegree;
}
