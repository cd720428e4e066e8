/**
 * From counts to verdicts. Pure: profile and counts in, verdicts out. The rule, per feature:
 *
 *   drift    PSI is significant, and in excess of chance by more than 0.2;
 *   watch    PSI is significant, and in excess by more than 0.05; or a KS difference is significant and D ≥ 0.08;
 *   too-few  otherwise, where fewer than `limits.driftRowsMin` independent rows count now or in the profile: they are too few to
 *            pass. With fewer rows than that, or figures that are not finite, nothing is found at all;
 *   stable   otherwise.
 *
 * drift-rule.ts has the limits and their reasons. Significant is what Benjamini and Hochberg's procedure rejects at 1 % over all PSI
 * and KS of the version together. Rows that depend on each other count as fewer: by the design effect of the feature, and over several
 * devices by capped weights (pooled-units.ts).
 */

import type { FeatureDrift } from '../../shared/api/drift.ts';
import type { FeatureProfile, ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import { meanAndDeviation } from '../../shared/sketch/moment-sums.ts';
import { noMoments } from '../telemetry/rollups/rollup-sums.ts';
import { UnitClasses } from '../telemetry/rollups/unit-classes.ts';
import { rejectionLimit } from './benjamini-hochberg.ts';
import { decilePsi } from './decile-psi.ts';
import { measuredEffect } from './design-effect.ts';
import { compareVerdicts, driftRule, verdictOf } from './drift-rule.ts';
import {
  type DesignEffect,
  type DesignEffects,
  featureCells,
  referenceCounts,
  rowsOf,
  sufficiency,
} from './feature-cells.ts';
import { hellingerDistance } from './hellinger.ts';
import { jensenShannonDistance } from './jensen-shannon.ts';
import { kolmogorovSmirnov } from './ks.ts';
import type { PooledCells } from './pooled-categories.ts';
import { type PooledCounts, pooledUnits, type UnitSums } from './pooled-units.ts';
import { excessOf, type Psi, populationStability } from './psi.ts';
import { onSingleReading, type Significance } from './significance.ts';
import { twoSampleChiSquare } from './two-sample-chi-square.ts';
import { wassersteinDistance } from './wasserstein.ts';

export interface JudgeOptions {
  /** Units that could have brought something, also without counts; by default those with counts. */
  readonly all?: number | undefined;
  /** By feature; one without is measured. */
  readonly designEffects?: DesignEffects | undefined;
  /** Streams that the rows come from, where units are parts of one: an hour of a device goes on in the next. */
  readonly streams?: number | undefined;
  /** Chance of any false alarm over the features. */
  readonly level?: number | undefined;
  /** Whether the counts are judged once, or again and again while they grow; KS is a test for one reading alone. */
  readonly significance?: Significance | undefined;
}

/** Each feature of the profile against the counts of one device, worst first; a feature without counts has `too-few`. */
export function judgeFeatures(
  profile: ReferenceProfile,
  counts: readonly FeatureCounts[],
  options: JudgeOptions = {},
): readonly FeatureDrift[] {
  const units = counts.map((feature) => {
    const classes = new UnitClasses();
    classes.add(feature, 1);
    return [feature.name, { classes, moments: feature.moments ?? noMoments }] as const;
  });
  return judgeUnits(profile, new Map(units), options);
}

/** The same over many units. */
export function judgeUnits(
  profile: ReferenceProfile,
  units: ReadonlyMap<string, UnitSums>,
  options: JudgeOptions = {},
): readonly FeatureDrift[] {
  const { all, designEffects, level = driftRule.level, significance = onSingleReading } = options;
  const measured = profile.features.map((feature) => {
    const pooled = pooledUnits(units.get(feature.name), referenceCounts(feature).counts.length, all);
    const streams = Math.max(1, Math.min(pooled.units, options.streams ?? pooled.units));
    const effect = designEffects?.get(feature.name) ?? measuredEffect(feature, pooled, streams);
    return measure(feature, pooled, effect);
  });
  const tested = measured.filter(({ canFind }) => canFind);
  const pValues = tested.map(({ psi }) => significance.pValue(psi));
  const ofKs = isOnce(significance) ? tested.flatMap(({ facts: { ks } }) => (ks ? [ks.p] : [])) : [];
  const limit = rejectionLimit([...pValues, ...ofKs], level);
  return measured.map((m) => judge(m, { limit, significance })).sort(worstFirst);
}

interface Measured {
  readonly facts: Omit<FeatureDrift, 'p' | 'psiCritical' | 'threshold' | 'significant' | 'verdict'>;
  readonly psi: Psi;
  /** Whether there are rows enough for a difference to be found. */
  readonly canFind: boolean;
  /** Whether there are enough that finding none is a pass. */
  readonly canPass: boolean;
}

function measure(profile: FeatureProfile, pooled: PooledCounts, effect: DesignEffect): Measured {
  const { name, role, kind } = profile;
  const counted = rowsOf(pooled);
  const { canFind, canPass } = sufficiency(profile, pooled, effect);
  const cells = featureCells(profile, pooled, effect);
  const psi = populationStability(cells.reference, cells.current);
  return {
    facts: {
      name,
      role,
      kind,
      n: pooled.rows,
      counted,
      independent: counted / effect.current,
      devices: pooled.devices,
      referenceN: rowsOf(referenceCounts(profile)),
      psi: psi.psi,
      excess: Number.isFinite(psi.perDegree) ? excessOf(psi) : 0,
      ...distances(profile, cells),
      ...shares(profile, pooled),
      ...means(profile, pooled),
    },
    psi,
    canFind: canFind && Number.isFinite(psi.psi),
    canPass,
  };
}

interface Family {
  /** p-values up to this one are significant. */
  readonly limit: number;
  readonly significance: Significance;
}

function judge({ facts, psi, canFind, canPass }: Measured, { limit, significance }: Family): FeatureDrift {
  const p = significance.pValue(psi);
  const critical = Number.isFinite(psi.perDegree) ? significance.critical(limit, psi) : 0;
  const ks = facts.ks && { ...facts.ks, significant: canFind && isOnce(significance) && facts.ks.p <= limit };
  const figures: FeatureDrift = {
    ...facts,
    ...(ks ? { ks } : {}),
    p,
    significant: canFind && p <= limit,
    psiCritical: critical,
    threshold: Math.max(facts.psi - facts.excess + driftRule.watchExcess, critical),
    verdict: 'too-few',
  };
  if (!canFind) return figures;
  const byPsi = verdictOf(facts.excess, figures.significant);
  const isWatched = ks?.significant === true && ks.d >= driftRule.watchDistance;
  const found = byPsi === 'stable' && isWatched ? 'watch' : byPsi;
  return { ...figures, verdict: found === 'stable' && !canPass ? 'too-few' : found };
}

/** Distances between the shares, each a figure of its own that no verdict depends on, and D of Kolmogorov and Smirnov. */
function distances(profile: FeatureProfile, cells: PooledCells) {
  const { reference, current } = cells;
  const chiSquare = twoSampleChiSquare(reference, current);
  const figures = {
    jensenShannon: jensenShannonDistance(reference, current),
    hellinger: hellingerDistance(reference, current),
    ...(chiSquare ? { chiSquare } : {}),
  };
  if (profile.kind !== 'numeric') return figures;
  const [present, presentNow] = [reference.slice(0, -1), current.slice(0, -1)];
  const deviation = meanAndDeviation(profile.moments, profile.moments.shift)?.deviation ?? 0;
  const wasserstein = wassersteinDistance(profile.edges, present, presentNow) / deviation;
  // By the rows of the profile and not by those that are independent: a decile is where a tenth of the rows is.
  const psiDeciles = decilePsi(profile.counts, presentNow);
  const ks = kolmogorovSmirnov(present, presentNow);
  return {
    ...figures,
    ...(Number.isFinite(wasserstein) ? { wasserstein } : {}),
    ...(psiDeciles === undefined ? {} : { psiDeciles }),
    ...(ks ? { ks: { ...ks, significant: false } } : {}),
  };
}

function shares(profile: FeatureProfile, { counts, missing }: PooledCounts) {
  const present = counts.reduce((sum, n) => sum + n, 0);
  const all = present + missing;
  const neverPresent = referenceCounts(profile).counts.every((n) => n === 0);
  let outside = profile.kind === 'numeric' ? counts[0]! + counts.at(-1)! : counts.at(-1)!;
  // A feature that the sample never had a value of has its cells at random: every value is outside.
  if (neverPresent) outside = present;
  return {
    missingShare: all === 0 ? 0 : missing / all,
    outsideShare: present === 0 ? 0 : outside / present,
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

/** D is compared with its distribution in one reading. */
function isOnce(significance: Significance): boolean {
  return significance === onSingleReading;
}

/** Orders by verdict, then by PSI over its threshold. */
function worstFirst(a: FeatureDrift, b: FeatureDrift): number {
  return compareVerdicts(a.verdict, b.verdict) || b.psi / b.threshold - a.psi / a.threshold;
}
