/**
 * How one hour of one device looks against the reference profile, cheaply, for it is judged with each report: by PSI alone, with
 * the rule of drift-rule.ts at the level of a reading that is repeated while the counts grow.
 */
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { HourVerdict } from '../telemetry/device-hours/activity-store.ts';
import { rejectionLimit } from './benjamini-hochberg.ts';
import { measuredEffect } from './design-effect.ts';
import { compareVerdicts, driftRule, verdictOf } from './drift-rule.ts';
import { featureCells, sufficiency } from './feature-cells.ts';
import { excessOf, populationStability } from './psi.ts';
import { onEveryReading } from './significance.ts';

const nothing: HourVerdict = { verdict: 'too-few', score: 0 };

/** `profile` is undefined for a version that was packed without one. */
export function judgeHour(
  profile: ReferenceProfile | undefined,
  features: readonly FeatureCounts[],
): HourVerdict {
  const tested = (profile?.features ?? []).flatMap((feature) => {
    const counts = features.find(({ name }) => name === feature.name);
    if (!counts) return [];
    const effect = measuredEffect(feature, counts);
    const { canFind, canPass } = sufficiency(feature, counts, effect);
    const cells = featureCells(feature, counts, effect);
    const psi = populationStability(cells.reference, cells.current);
    return canFind ? [{ excess: excessOf(psi), p: onEveryReading.pValue(psi), canPass }] : [];
  });
  const limit = rejectionLimit(
    tested.map(({ p }) => p),
    driftRule.level,
  );
  let worst = nothing;
  for (const { excess, p, canPass } of tested) {
    const found = verdictOf(excess, p <= limit);
    if (found === 'stable' && !canPass) continue;
    const judged = { verdict: found, score: Math.max(0, excess / driftRule.driftExcess) };
    if (isWorse(judged, worst)) worst = judged;
  }
  return worst;
}

/** By verdict first: whether an excess is significant depends on the rows of its feature. */
function isWorse(a: HourVerdict, b: HourVerdict): boolean {
  return compareVerdicts(a.verdict, b.verdict) < 0 || (a.verdict === b.verdict && a.score > b.score);
}
