/**
 * Benjamini and Hochberg's procedure (JRSS B 57, 1995): which of m hypotheses to reject so that the expected share of
 * false ones among the rejected is at most q. Rejects every p up to the largest p_(i) ≤ i·q/m. Keeps order.
 */
export function benjaminiHochberg(pValues: readonly number[], q: number): boolean[] {
  const sorted = [...pValues].sort((a, b) => a - b);
  let limit = -1;
  sorted.forEach((p, i) => {
    if (p <= ((i + 1) * q) / sorted.length) limit = p;
  });
  return pValues.map((p) => p <= limit);
}
