/**
 * A column that has one value in the whole sample has a cell as narrow as rounding allows, and the sample says nothing of how far its
 * values may lie from it: the slightest noise leaves the cell. So noise about that value is taken for it, which is told from a movement by two
 * things. It goes to both sides, while a sensor that moved, a counter that began or rain in a gauge goes to one. And it is small: within a
 * hundredth of the value, about zero within 0.001, the least deviation that Evidently divides by too.
 */
import type { NumericProfile } from '../../shared/manifest/reference-profile.ts';
import type { Moments } from '../telemetry/rollups/rollup-sums.ts';

const RELATIVE = 0.01;
const ABOUT_ZERO = 0.001;
/** More of what left the cell than this is on one side of it: a movement. */
const SIDE_SHARE_MAX = 0.75;

/** `counts` are laid out as in the profile; without `moments` nothing is known of how far values lie, and nothing is noise. */
export function isNoiseAboutConstant(
  profile: NumericProfile,
  { counts, moments }: { readonly counts: readonly number[]; readonly moments?: Moments | undefined },
): boolean {
  const { n, shift, sum } = profile.moments;
  if (profile.edges.length !== 2 || n === 0 || profile.counts[1] !== n) return false;
  if (!moments || !(moments.n > 0)) return false;
  const [below = 0, , above = 0] = counts;
  if (Math.max(below, above) > SIDE_SHARE_MAX * (below + above)) return false;
  const offset = sum / n;
  const meanSquare = (moments.sumSquares - 2 * offset * moments.sum) / moments.n + offset * offset;
  return meanSquare <= Math.max(RELATIVE * Math.abs(shift + offset), ABOUT_ZERO) ** 2;
}
