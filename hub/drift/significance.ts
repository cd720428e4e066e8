/** How surprising a PSI is without drift, in two ways. Both take its statistic for a sum of B − 1 squared standard normals. */
import { chiSquareQuantile, chiSquareTail } from './chi-square.ts';
import type { Psi } from './psi.ts';

export interface Significance {
  /** Probability of a PSI as large as this one without drift, at most. */
  pValue(psi: Psi): number;
  /** The PSI that has this p-value at the same sample sizes, where cells are well filled. */
  critical(p: number, psi: Psi): number;
}

/** For counts that are judged once, such as those of a closed hour: the p-value of χ². */
export const onSingleReading: Significance = {
  pValue: ({ statistic, degrees }) => (degrees === 0 ? 1 : chiSquareTail(statistic, degrees)),
  critical: (p, { degrees, perDegree }) => (degrees === 0 ? 0 : perDegree * chiSquareQuantile(p, degrees)),
};

/**
 * PSI that a difference worth finding has. The level holds whatever it is; power is best near it.
 */
const EXPECTED_PSI = 0.2;

/**
 * For counts that grow while they are judged again and again, such as the evidence of a rollout: without drift, the chance that p
 * is ever at most α is at most α, however often it is read (mixture sequential probability ratio test: H. Robbins, Annals of
 * Mathematical Statistics 41, 1970; R. Johari et al., Operations Research 70, 2022).
 *
 * With I = NM/(N + M), the standardised differences of the cells times I are B − 1 independent Brownian motions in I, also
 * though the reference is a sample that every reading shares: Cov(Δ_M, Δ_M′) = 1/N + 1/max(M, M′). Against them stands a normal
 * mixture of variance τ² each, of which PSI is (B − 1)·τ² on average:
 *
 *   Λ = (1 + I·τ²)^(−(B−1)/2) · exp(½ · statistic · I·τ²/(1 + I·τ²)), p = min(1, 1/Λ).
 */
export const onEveryReading: Significance = {
  pValue(psi) {
    const { growth, logs } = mixture(psi);
    return psi.degrees === 0 ? 1 : Math.min(1, Math.exp(logs - (growth * psi.statistic) / 2));
  },
  critical(p, psi) {
    const { growth, logs } = mixture(psi);
    return psi.degrees === 0 ? 0 : ((2 * psi.perDegree) / growth) * (logs - Math.log(p));
  },
};

function mixture({ degrees, perDegree }: Psi) {
  const ratio = EXPECTED_PSI / (degrees * perDegree);
  return { growth: ratio / (1 + ratio), logs: (degrees / 2) * Math.log1p(ratio) };
}
