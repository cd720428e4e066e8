/**
 * How often a version alarms whose rows come from what it was trained on. Each run packs a reference sample of its own and draws rows
 * that grow through the sizes asked for; a version of fewer features is the first ones of a larger one.
 */
import { driftRule, worstVerdict } from '../../../hub/drift/drift-rule.ts';
import type { DesignEffects } from '../../../hub/drift/feature-cells.ts';
import { onEveryReading, onSingleReading, type Significance } from '../../../hub/drift/significance.ts';
import { judgeFeatures } from '../../../hub/drift/verdict.ts';
import type { FeatureProfile } from '../../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../../shared/protocol/telemetry-report.ts';
import {
  autoregressive,
  autoregressiveColumn,
  type Column,
  independentColumn,
  packedColumn,
} from './columns.ts';
import type { Distribution } from './distributions.ts';
import { sfc32 } from './sfc32.ts';

/** Rows as they come: independent draws of a distribution, or a normal process whose neighbours correlate by `rho`. */
export type Rows = { readonly distribution: Distribution } | { readonly rho: number };

export interface FalseAlarmStudy {
  readonly name: string;
  readonly rows: Rows;
  readonly seed: number;
  readonly runs: number;
  readonly referenceRows: number;
  /** Rising. */
  readonly sizes: readonly number[];
  /** How many features a version has. */
  readonly widths: readonly number[];
  /** Rows that make one independent row, of the reference as of what comes. */
  readonly designEffect?: number;
}

export interface FalseAlarmCount {
  readonly name: string;
  readonly features: number;
  readonly size: number;
  readonly runs: number;
  /** Runs with any feature of `watch` or worse, and of `drift`. */
  readonly watch: number;
  readonly drift: number;
  /** Runs in which no feature has rows enough for a verdict. */
  readonly tooFew: number;
}

export interface RepeatedCount {
  readonly name: string;
  readonly features: number;
  readonly readings: number;
  readonly runs: number;
  /** Runs that ever alarmed, by the rule for one reading and by the rule for every reading. */
  readonly onSingle: number;
  readonly onEvery: number;
}

export function countFalseAlarms(study: FalseAlarmStudy): readonly FalseAlarmCount[] {
  const { name, sizes, widths, runs } = study;
  const found = widths.flatMap((features) =>
    sizes.map((size) => ({ name, features, size, runs, watch: 0, drift: 0, tooFew: 0 })),
  );
  for (let run = 0; run < runs; run += 1) {
    const version = simulatedVersion(study, run);
    for (const [at, size] of sizes.entries()) {
      version.draw(size - (sizes[at - 1] ?? 0));
      for (const count of found.filter((f) => f.size === size)) {
        const verdict = version.verdict(count.features, onSingleReading);
        if (verdict === 'drift') count.drift += 1;
        if (verdict === 'drift' || verdict === 'watch') count.watch += 1;
        if (verdict === 'too-few') count.tooFew += 1;
      }
    }
  }
  return found;
}

/** The same counts judged while they grow, at each size: whether any reading alarms. */
export function countRepeatedReadings(study: FalseAlarmStudy): readonly RepeatedCount[] {
  return study.widths.map((features) => {
    let onSingle = 0;
    let onEvery = 0;
    for (let run = 0; run < study.runs; run += 1) {
      const version = simulatedVersion({ ...study, widths: [features] }, run);
      const ever = { single: false, every: false };
      for (const [at, size] of study.sizes.entries()) {
        version.draw(size - (study.sizes[at - 1] ?? 0));
        ever.single ||= isAlarm(version.verdict(features, onSingleReading));
        ever.every ||= isAlarm(version.verdict(features, onEveryReading));
      }
      if (ever.single) onSingle += 1;
      if (ever.every) onEvery += 1;
    }
    return { name: study.name, features, readings: study.sizes.length, runs: study.runs, onSingle, onEvery };
  });
}

function isAlarm(verdict: string): boolean {
  return verdict === 'drift' || verdict === 'watch';
}

function simulatedVersion(study: FalseAlarmStudy, run: number) {
  const { rows, seed, referenceRows, designEffect } = study;
  const random = sfc32(seed, run);
  const pairs = Array.from({ length: Math.max(...study.widths) }, (_, i): [FeatureProfile, Column] => {
    const name = `f${i}`;
    if ('rho' in rows) {
      const next = autoregressive(rows.rho, random);
      const profile = packedColumn(name, 'numeric', Array.from({ length: referenceRows }, next));
      return [profile, autoregressiveColumn(profile, { rho: rows.rho, random })];
    }
    const { distribution } = rows;
    const values = Array.from({ length: referenceRows }, distribution.draws(random));
    const profile = packedColumn(name, distribution.kind, values);
    return [profile, independentColumn(profile, { distribution, random })];
  });
  const features = pairs.map(([profile]) => profile);
  const columns = pairs.map(([, column]) => column);
  const designEffects: DesignEffects | undefined = designEffect
    ? new Map(features.map(({ name }) => [name, { reference: designEffect, current: designEffect }]))
    : undefined;
  return {
    draw(more: number) {
      for (const column of columns) column.draw(more);
    },
    verdict(width: number, significance: Significance) {
      const counts: FeatureCounts[] = columns.slice(0, width).map((column) => column.counts);
      const judged = judgeFeatures({ rows: referenceRows, features: features.slice(0, width) }, counts, {
        designEffects,
        significance,
        level: driftRule.level,
      });
      return worstVerdict(judged.map(({ verdict }) => verdict));
    },
  };
}
