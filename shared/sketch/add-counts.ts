/** Sums of window figures. Counts add exactly and in any order; the moment sums are floating point and add to rounding. */
import type { FeatureCounts } from '../protocol/telemetry-report.ts';
import { addBlockNumbers } from './block-sums.ts';

/** Adds `more` to `sum` in place. Both are laid out by the same profile. */
export function addFeatureCounts(sum: FeatureCounts, more: FeatureCounts): void {
  for (let i = 0; i < sum.counts.length; i += 1) sum.counts[i]! += more.counts[i]!;
  sum.missing += more.missing;
  if (more.blocks) {
    sum.blocks ??= [];
    addBlockNumbers(sum.blocks, more.blocks);
  }
  if (more.moments === undefined) return;
  if (sum.moments === undefined) {
    sum.moments = { ...more.moments };
  } else {
    sum.moments.n += more.moments.n;
    sum.moments.sum += more.moments.sum;
    sum.moments.sumSquares += more.moments.sumSquares;
  }
}

/** A copy that may be added to. */
export function copyFeatureCounts(from: FeatureCounts): FeatureCounts {
  return {
    name: from.name,
    counts: from.counts.slice(),
    missing: from.missing,
    ...(from.moments ? { moments: { ...from.moments } } : {}),
    ...(from.blocks ? { blocks: from.blocks.slice() } : {}),
  };
}
