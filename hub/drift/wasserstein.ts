/**
 * Wasserstein-1 distance, ∫ |F_p(x) − F_q(x)| dx (L. N. Vaserstein, 1969; for one dimension S. S. Vallander, Theory of Probability and
 * its Applications 18, 1974), from binned counts. Two things are approximated:
 *
 *   - rows of a bin count as spread evenly over it, so both F are straight between edges and the integral of their difference is
 *     exact for such rows;
 *   - under- and overflow have no width: their rows count as lying at the first and the last edge. Of rows beyond the edges it is
 *     therefore a lower bound, in the way that D of Kolmogorov and Smirnov is one; their share is a figure of its own.
 */
import { sharesOf } from './shares.ts';

/** Counts are laid out as in a numeric profile: underflow, the bins between `edges`, overflow. 0 where either sample is empty. */
export function wassersteinDistance(
  edges: readonly number[],
  reference: readonly number[],
  current: readonly number[],
): number {
  const p = sharesOf(reference);
  const q = sharesOf(current);
  if (!p || !q) return 0;
  let distance = 0;
  let gap = p[0]! - q[0]!;
  for (let i = 1; i < edges.length; i += 1) {
    const next = gap + p[i]! - q[i]!;
    distance += (edges[i]! - edges[i - 1]!) * meanOfAbsolute(gap, next);
    gap = next;
  }
  return distance;
}

/** Mean of |y| over a straight line from `a` to `b`. */
function meanOfAbsolute(a: number, b: number): number {
  if (a * b >= 0) return Math.abs(a + b) / 2;
  return (a * a + b * b) / (2 * Math.abs(a - b));
}
