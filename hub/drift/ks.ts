/**
 * Two-sample Kolmogorov–Smirnov test on binned counts. D over bins never exceeds D over the rows themselves, so the test
 * errs towards "no difference". The p-value is the asymptotic one with Stephens' small-sample term (M. A. Stephens,
 * JRSS B 32, 1970; Press et al., Numerical Recipes §14.3):
 *
 *   λ = (√n + 0.12 + 0.11/√n)·D, n = NM/(N+M), p = 2 Σ_{k≥1} (−1)^{k−1} e^{−2k²λ²}.
 */
export interface KolmogorovSmirnov {
  readonly d: number;
  readonly p: number;
}

/** Counts over the same ordered cells; undefined when either sample is empty. */
export function kolmogorovSmirnov(
  reference: readonly number[],
  current: readonly number[],
): KolmogorovSmirnov | undefined {
  const referenceRows = reference.reduce((sum, n) => sum + n, 0);
  const currentRows = current.reduce((sum, n) => sum + n, 0);
  if (referenceRows === 0 || currentRows === 0) return undefined;
  let d = 0;
  let below = 0;
  let belowNow = 0;
  for (let i = 0; i < reference.length; i += 1) {
    below += reference[i]!;
    belowNow += current[i]!;
    d = Math.max(d, Math.abs(below / referenceRows - belowNow / currentRows));
  }
  const root = Math.sqrt((referenceRows * currentRows) / (referenceRows + currentRows));
  return { d, p: kolmogorovTail((root + 0.12 + 0.11 / root) * d) };
}

/** P(K > λ) of the Kolmogorov distribution. */
export function kolmogorovTail(lambda: number): number {
  // Below this the alternating series cancels, and the probability is 1 to 9 digits.
  if (lambda < 0.3) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k += 1) {
    const term = Math.exp(-2 * k * k * lambda * lambda);
    sum += k % 2 === 1 ? term : -term;
    if (term < 1e-12) break;
  }
  return Math.min(1, Math.max(0, 2 * sum));
}
