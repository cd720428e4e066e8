/**
 * Benjamini and Hochberg's procedure (JRSS B 57, 1995): which of m hypotheses to reject so that the expected share of
 * false ones among the rejected is at most q; where all hold, the chance of rejecting any is at most q. Rejects every p up to the
 * largest p_(i) ≤ i·q/m, which this returns; where there is none, q/m, the level that the next smaller p would be held to.
 */
export function rejectionLimit(pValues: readonly number[], q: number): number {
  const sorted = pValues.toSorted((a, b) => a - b);
  const m = Math.max(1, sorted.length);
  return sorted.reduce((limit, p, i) => (p <= ((i + 1) * q) / m ? Math.max(limit, p) : limit), q / m);
}
