/**
 * How one hour of one device looks against the reference profile, cheaply, for it is judged with each report: by PSI alone, with
 * the thresholds of verdict.ts.
 */
import { limits } from '../../shared/base/limits.ts';
import type { FeatureProfile, ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { HourVerdict } from '../telemetry/device-hours/activity-store.ts';
import { pooledCategories } from './pooled-categories.ts';
import { type Psi, populationStability } from './psi.ts';
import { compareVerdicts, driftRule } from './verdict.ts';

const nothing: HourVerdict = { verdict: 'too-few', score: 0 };

/** `profile` is undefined for a version that was packed without one. */
export function judgeHour(
  profile: ReferenceProfile | undefined,
  features: readonly FeatureCounts[],
): HourVerdict {
  let worst = nothing;
  for (const feature of profile?.features ?? []) {
    const counts = features.find(({ name }) => name === feature.name);
    if (!counts || !hasEnough(feature, counts)) continue;
    const judged = judge(psiOf(feature, counts));
    if (isWorse(judged, worst)) worst = judged;
  }
  return worst;
}

function hasEnough(profile: FeatureProfile, { counts, missing }: FeatureCounts): boolean {
  const reference = sum(profile.counts) + profile.missing + (profile.kind === 'numeric' ? 0 : profile.unseen);
  return sum(counts) + missing >= limits.driftRowsMin && reference >= limits.driftRowsMin;
}

function psiOf(profile: FeatureProfile, { counts, missing }: FeatureCounts): Psi {
  const bins =
    profile.kind === 'numeric'
      ? { reference: profile.counts, current: counts }
      : pooledCategories(profile, { counts: counts.slice(0, -1), unseen: counts.at(-1)! });
  return populationStability(
    [...bins.reference, profile.missing],
    [...bins.current, missing],
    driftRule.alpha,
  );
}

/** By verdict first: features have thresholds of their own, so a score says nothing of another feature's verdict. */
function isWorse(a: HourVerdict, b: HourVerdict): boolean {
  return compareVerdicts(a.verdict, b.verdict) < 0 || (a.verdict === b.verdict && a.score > b.score);
}

/** A score above 1 is at least `watch`. */
function judge({ psi, critical }: Psi): HourVerdict {
  if (!Number.isFinite(psi) || !Number.isFinite(critical)) return nothing;
  const score = psi / Math.max(driftRule.watchPsi, critical);
  if (psi > Math.max(driftRule.actPsi, critical)) return { verdict: 'drift', score };
  return { verdict: score > 1 ? 'watch' : 'stable', score };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, n) => total + n, 0);
}
