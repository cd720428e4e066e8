/**
 * Hellinger distance between two sets of counts over the same cells, √(½ Σ (√p − √q)²), from 0 to 1 (E. Hellinger, Journal für die
 * reine und angewandte Mathematik 136, 1909; normalised as in A. L. Gibbs, F. E. Su, International Statistical Review 70, 2002). 0
 * where either sample is empty.
 */
import { sharesOf } from './shares.ts';

export function hellingerDistance(reference: readonly number[], current: readonly number[]): number {
  const p = sharesOf(reference);
  const q = sharesOf(current);
  if (!p || !q) return 0;
  return Math.sqrt(p.reduce((sum, share, i) => sum + (Math.sqrt(share) - Math.sqrt(q[i]!)) ** 2, 0) / 2);
}
