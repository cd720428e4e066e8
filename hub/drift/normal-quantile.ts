/** Quantiles of the standard normal and of χ² distributions. */

/**
 * z with P(Z ≤ z) = p, to about 1e−9 relative: P. J. Acklam, "An algorithm for computing the inverse normal cumulative
 * distribution function" (2003). `p` lies in (0, 1).
 */
export function normalQuantile(p: number): number {
  const low = 0.02425;
  if (p < low) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - low) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  return (polynomial(A, r) * q) / polynomial([...B, 1], r);
}

/**
 * x with P(χ²_k ≤ x) = p by Wilson and Hilferty (PNAS 17, 1931): k(1 − 2/(9k) + z√(2/(9k)))³. Within 1 % of the exact
 * value for k ≥ 3 and p from 0.9 to 0.99, within 2 % at 0.999; for k of 1 and 2 within 5 %.
 */
export function chiSquareQuantile(p: number, k: number): number {
  const h = 2 / (9 * k);
  return k * Math.max(0, 1 - h + normalQuantile(p) * Math.sqrt(h)) ** 3;
}

const A = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const B = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1,
];
const C = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const D = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];

function tail(q: number): number {
  return polynomial(C, q) / polynomial([...D, 1], q);
}

/** Horner's rule, highest power first. */
function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}
