/**
 * How strongly failures speak against "the error rate is at most the one allowed", as an e-value that may be looked at
 * after each request: under that hypothesis it reaches 1/α in fewer than α of all trials, however often one looks (Ville's
 * inequality). It is the likelihood ratio of Bernoulli trials mixed over all rates p above the limit p₀ with equal weight
 * (mixture SPRT; Robbins 1970, Ann. Math. Stat. 41):
 *
 *   E = 1/(1−p₀) · ∫ p^k (1−p)^(n−k) / (p₀^k (1−p₀)^(n−k)) dp over p₀…1
 *     = P(Bin(n+1, p₀) ≤ k) / ((n+1)·(1−p₀)·P(Bin(n, p₀) = k))
 *
 * It takes requests for independent; a client that repeats one bad request is counted as often as it asks.
 */

/** Share of good versions that failures seen by chance may cost their trial. */
export const trialLevel = 0.01;

export interface RequestCounts {
  readonly requests: number;
  readonly failed: number;
}

/** Whether the requests prove, at `trialLevel`, that more than `maxErrorRate` of all would fail. */
export function provesTooManyFailures(counts: RequestCounts, maxErrorRate: number): boolean {
  return lnEvidence(counts, maxErrorRate) >= -Math.log(trialLevel);
}

/** ln E. It is below 0 wherever the share of failures is at most the limit, and given as 0 there. */
export function lnEvidence({ requests: n, failed: k }: RequestCounts, limit: number): number {
  if (k === 0 || k <= n * limit) return 0;
  if (limit <= 0) return Number.POSITIVE_INFINITY;
  const lnCdf = Math.log1p(-upperTail(n + 1, k, limit));
  return lnCdf - Math.log(n + 1) - Math.log1p(-limit) - lnBinomial(n, k, limit);
}

/** P(Bin(n, p) > k) for k at or above the mean: from there on each term is smaller than the one before. */
function upperTail(n: number, k: number, p: number): number {
  if (k >= n) return 0;
  let term = Math.exp(lnBinomial(n, k + 1, p));
  let sum = term;
  for (let j = k + 1; j < n && term > sum * Number.EPSILON; j += 1) {
    term *= ((n - j) / (j + 1)) * (p / (1 - p));
    sum += term;
  }
  return Math.min(sum, 1);
}

/** ln P(Bin(n, p) = k). */
function lnBinomial(n: number, k: number, p: number): number {
  const choose = lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k);
  return choose + k * Math.log(p) + (n - k) * Math.log1p(-p);
}

/** ln n! by Stirling's series (Abramowitz & Stegun 6.1.41), summed where n is too small for it; within 1e-10. */
function lnFactorial(n: number): number {
  if (n < 16) {
    let sum = 0;
    for (let i = 2; i <= n; i += 1) sum += Math.log(i);
    return sum;
  }
  const series = 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1_260 * n ** 5);
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + series;
}
