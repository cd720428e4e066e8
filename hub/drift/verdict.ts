/**
 * From counts to verdicts. Pure: profile and counts in, verdicts out. The rule, per feature:
 *
 *   too-few  fewer than `limits.driftRowsMin` rows that count now or in the profile, or figures that are not finite;
 *   drift    PSI above both 0.25 and the critical value of these sample sizes;
 *   watch    PSI above threshold = max(0.1, critical), or a KS difference that stands over all features
 *            (Benjamini–Hochberg, q = 1 %) and is large in itself (D ≥ 0.1);
 *   stable   otherwise.
 *
 * 0.1 and 0.25 are the convention of credit scoring (N. Siddiqi, "Credit Risk Scorecards", 2006). With many rows every
 * difference is significant, which is why a small one is never enough; with few rows a large one is chance, which is why
 * the critical value (alpha = 1 %) holds the threshold up. Both assume rows that are independent of each other: readings of
 * one sensor seconds apart are fewer than they look. Over several devices, each counts with its capped weight
 * (pooled-units.ts), and the rows are those that count.
 */

import type { DriftVerdict, FeatureDrift } from '../../shared/api/drift.ts';
import { limits } from '../../shared/base/limits.ts';
import type { FeatureProfile, ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import { meanAndDeviation } from '../../shared/sketch/moment-sums.ts';
import { noMoments } from '../telemetry/rollups/rollup-sums.ts';
import { UnitClasses } from '../telemetry/rollups/unit-classes.ts';
import { benjaminiHochberg } from './benjamini-hochberg.ts';
import { type KolmogorovSmirnov, kolmogorovSmirnov } from './ks.ts';
import { pooledCategories } from './pooled-categories.ts';
import { type PooledCounts, pooledUnits, type UnitSums } from './pooled-units.ts';
import { populationStability } from './psi.ts';

export const driftRule = {
  watchPsi: 0.1,
  actPsi: 0.25,
  alpha: 0.01,
  falseDiscoveryRate: 0.01,
  ksDistanceMin: 0.1,
} as const;

/** Verdicts from calm to bad; `too-few` is no verdict on drift and has no rank. */
const severity: Readonly<Record<DriftVerdict, number>> = { 'too-few': 0, stable: 1, watch: 2, drift: 3 };

/** Each feature of the profile against the counts of one device, worst first; a feature without counts has `too-few`. */
export function judgeFeatures(
  profile: ReferenceProfile,
  counts: readonly FeatureCounts[],
): readonly FeatureDrift[] {
  const units = counts.map((feature) => {
    const classes = new UnitClasses();
    classes.add(feature, 1);
    return [feature.name, { classes, moments: feature.moments ?? noMoments }] as const;
  });
  return judgeUnits(profile, new Map(units));
}

/** The same over many units; `all`: how many there are, also without counts. */
export function judgeUnits(
  profile: ReferenceProfile,
  units: ReadonlyMap<string, UnitSums>,
  all?: number,
): readonly FeatureDrift[] {
  return judgeMeasured(
    profile.features.map((feature) =>
      measure(feature, pooledUnits(units.get(feature.name), referenceBins(feature).length, all)),
    ),
  );
}

function judgeMeasured(measured: readonly Measured[]): readonly FeatureDrift[] {
  const pValues = measured.filter((m) => m.enough).flatMap((m) => (m.ks ? [m.ks.p] : []));
  const rejected = benjaminiHochberg(pValues, driftRule.falseDiscoveryRate);
  const limitP = Math.max(-1, ...pValues.filter((_, i) => rejected[i]));
  return measured.map((m) => judge(m, limitP)).sort(worstFirst);
}

interface Measured {
  readonly facts: Omit<FeatureDrift, 'ks' | 'verdict'>;
  readonly ks: KolmogorovSmirnov | undefined;
  readonly enough: boolean;
}

function judge({ facts, ks, enough }: Measured, limitP: number): FeatureDrift {
  const significant = ks !== undefined && ks.p <= limitP;
  let verdict: DriftVerdict = 'stable';
  if (!enough || !Number.isFinite(facts.psi)) verdict = 'too-few';
  else if (facts.psi > Math.max(driftRule.actPsi, facts.psiCritical)) verdict = 'drift';
  else if (facts.psi > facts.threshold || (significant && ks.d >= driftRule.ksDistanceMin)) verdict = 'watch';
  return { ...facts, ...(ks ? { ks: { ...ks, significant } } : {}), verdict };
}

function referenceBins(profile: FeatureProfile): readonly number[] {
  return profile.kind === 'numeric' ? profile.counts : [...profile.counts, profile.unseen];
}

function measure(profile: FeatureProfile, pooled: PooledCounts): Measured {
  const cells = referenceBins(profile);
  const { counts: now, missing } = pooled;
  const present = now.reduce((sum, n) => sum + n, 0);
  const n = present + missing;
  const referencePresent = cells.reduce((sum, c) => sum + c, 0);
  const referenceN = referencePresent + profile.missing;
  // Missing values are a cell of their own: a sensor that went dead is the strongest drift there is.
  const seen =
    profile.kind === 'numeric'
      ? { reference: cells, current: now }
      : pooledCategories(profile, { counts: now.slice(0, -1), unseen: now.at(-1)! });
  const { psi, critical } = populationStability(
    [...seen.reference, profile.missing],
    [...seen.current, missing],
    driftRule.alpha,
  );
  // A feature that the sample never had a value of has its cells at random: every value is outside.
  let outside = profile.kind === 'numeric' ? now[0]! + now.at(-1)! : now.at(-1)!;
  if (referencePresent === 0) outside = present;
  return {
    facts: {
      name: profile.name,
      role: profile.role,
      kind: profile.kind,
      n: pooled.rows,
      counted: n,
      devices: pooled.devices,
      referenceN,
      psi,
      psiCritical: Number.isFinite(critical) ? critical : 0,
      threshold: Math.max(driftRule.watchPsi, Number.isFinite(critical) ? critical : 0),
      missingShare: n === 0 ? 0 : missing / n,
      outsideShare: present === 0 ? 0 : outside / present,
      ...means(profile, pooled),
    },
    ks: profile.kind === 'numeric' ? kolmogorovSmirnov(cells, now) : undefined,
    enough: n >= limits.driftRowsMin && referenceN >= limits.driftRowsMin,
  };
}

function means(profile: FeatureProfile, { moments }: PooledCounts) {
  if (profile.kind !== 'numeric') return {};
  const mean = meanAndDeviation(moments, profile.moments.shift)?.mean;
  const referenceMean = meanAndDeviation(profile.moments, profile.moments.shift)?.mean;
  return {
    ...(Number.isFinite(mean) ? { mean } : {}),
    ...(Number.isFinite(referenceMean) ? { referenceMean } : {}),
  };
}

/** The worst verdict; `too-few` when there is none or nothing else. */
export function worstVerdict(verdicts: Iterable<DriftVerdict>): DriftVerdict {
  let worst: DriftVerdict = 'too-few';
  for (const verdict of verdicts) if (severity[verdict] > severity[worst]) worst = verdict;
  return worst;
}

/** Orders by verdict, then by PSI over its threshold. */
function worstFirst(a: FeatureDrift, b: FeatureDrift): number {
  return compareVerdicts(a.verdict, b.verdict) || b.psi / b.threshold - a.psi / a.threshold;
}

/** Negative when `a` is the worse one. */
export function compareVerdicts(a: DriftVerdict, b: DriftVerdict): number {
  return severity[b] - severity[a];
}
