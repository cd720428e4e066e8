/**
 * Jensen–Shannon distance between two sets of counts over the same cells, to base 2:
 *
 *   √(½ Σ p·log₂(p/m) + ½ Σ q·log₂(q/m)), m = (p + q)/2,
 *
 * a metric from 0 to 1 (J. Lin, IEEE Transactions on Information Theory 37, 1991; D. M. Endres, J. E. Schindelin, the same 49,
 * 2003). To base e, as some programs have it, it is √(ln 2) = 0.83 of this. 0 where either sample is empty.
 */
import { sharesOf } from './shares.ts';

export function jensenShannonDistance(reference: readonly number[], current: readonly number[]): number {
  const p = sharesOf(reference);
  const q = sharesOf(current);
  if (!p || !q) return 0;
  const divergence = p.reduce((sum, share, i) => {
    const middle = (share + q[i]!) / 2;
    return sum + information(share, middle) + information(q[i]!, middle);
  }, 0);
  return Math.sqrt(Math.max(0, divergence / 2));
}

function information(share: number, middle: number): number {
  return share > 0 ? share * Math.log2(share / middle) : 0;
}
