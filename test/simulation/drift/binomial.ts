/**
 * Binomial random numbers, exact: by counting geometric gaps where few successes are expected (L. Devroye, "Non-Uniform Random Variate
 * Generation", 1986, §X.4.3), else by transformed rejection (BTRS: W. Hörmann, Journal of Statistical Computation and
 * Simulation 46, 1993).
 */
import { logGamma } from '../../../hub/drift/chi-square.ts';
import type { Random } from '../../../shared/base/clock.ts';

export function binomial(n: number, p: number, random: Random): number {
  if (n === 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p, random);
  return n * p < 10 ? byGaps(n, p, random) : byRejection(n, p, random);
}

/** Splits `rows` over cells; `upTo` is the probability of each cell and all before it. */
export function multinomial(rows: number, upTo: readonly number[], random: Random): number[] {
  let left = rows;
  let before = 0;
  return upTo.map((bound) => {
    const count = before >= 1 ? 0 : binomial(left, (bound - before) / (1 - before), random);
    left -= count;
    before = bound;
    return count;
  });
}

function byGaps(n: number, p: number, random: Random): number {
  const scale = Math.log1p(-p);
  let at = 0;
  for (let count = 0; ; count += 1) {
    at += Math.floor(Math.log(1 - random()) / scale) + 1;
    if (at > n) return count;
  }
}

function byRejection(n: number, p: number, random: Random): number {
  const spread = Math.sqrt(n * p * (1 - p));
  const b = 1.15 + 2.53 * spread;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const c = n * p + 0.5;
  const alpha = (2.83 + 5.1 / b) * spread;
  const odds = Math.log(p / (1 - p));
  const mode = Math.floor((n + 1) * p);
  const height = logGamma(mode + 1) + logGamma(n - mode + 1);
  for (;;) {
    const u = random() - 0.5;
    const v = random();
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + c);
    if (k < 0 || k > n) continue;
    if (us >= 0.07 && v <= 0.92 - 4.2 / b) return k;
    const bound = height - logGamma(k + 1) - logGamma(n - k + 1) + (k - mode) * odds;
    if (Math.log((v * alpha) / (a / (us * us) + b)) <= bound) return k;
  }
}
