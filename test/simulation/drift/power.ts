/**
 * How often a change of one feature is found in a version of several, of which the others do not change: the hardest case for a level
 * that holds over all of them. The reference is packed anew in each run.
 */

import { onEveryReading, onSingleReading } from '../../../hub/drift/significance.ts';
import { judgeFeatures } from '../../../hub/drift/verdict.ts';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
import { independentColumn, packedColumn } from './columns.ts';
import { type Distribution, normal } from './distributions.ts';
import { sfc32 } from './sfc32.ts';

export interface Change {
  readonly name: string;
  readonly distribution: Distribution;
  /** Share of missing values; there is none in the reference. */
  readonly missing?: number;
}

/** How often a reading is made, and at what level. */
export interface Reading {
  readonly name: string;
  readonly isRepeated: boolean;
  readonly level: number;
}

export interface PowerStudy {
  readonly changes: readonly Change[];
  readonly readings: readonly Reading[];
  readonly seed: number;
  readonly runs: number;
  readonly referenceRows: number;
  /** Rising. */
  readonly sizes: readonly number[];
  readonly features: number;
}

export interface PowerCount {
  readonly change: string;
  readonly reading: string;
  readonly size: number;
  readonly runs: number;
  /** Runs in which the changed feature is significant, is `watch` or worse, and is `drift`. */
  readonly significant: number;
  readonly watch: number;
  readonly drift: number;
}

export function countPower(study: PowerStudy): readonly PowerCount[] {
  return study.changes.flatMap((change) => countChange(study, change));
}

function countChange(study: PowerStudy, change: Change): readonly PowerCount[] {
  const { readings, seed, runs, referenceRows, sizes, features } = study;
  const found = readings.flatMap((reading) =>
    sizes.map((size) => ({ reading, size, significant: 0, watch: 0, drift: 0 })),
  );
  for (let run = 0; run < runs; run += 1) {
    const random = sfc32(seed, run);
    const pairs = Array.from({ length: features }, (_, i) => {
      const values = Array.from({ length: referenceRows }, normal.draws(random));
      const profile = packedColumn(`f${i}`, 'numeric', values);
      const { distribution, missing = 0 } = i === 0 ? change : { distribution: normal };
      return { profile, column: independentColumn(profile, { distribution, missing, random }) };
    });
    const profile = { rows: referenceRows, features: pairs.map((pair) => pair.profile) };
    const counts = pairs.map(({ column }) => column.counts);
    for (const [at, size] of sizes.entries()) {
      for (const { column } of pairs) column.draw(size - (sizes[at - 1] ?? 0));
      for (const count of found.filter((f) => f.size === size)) {
        const { isRepeated, level } = count.reading;
        const significance = isRepeated ? onEveryReading : onSingleReading;
        const judged = judgeFeatures(profile, counts, { level, significance });
        const { verdict, significant } = judged.find(({ name }) => name === 'f0')!;
        if (significant) count.significant += 1;
        if (isAlarm(verdict)) count.watch += 1;
        if (verdict === 'drift') count.drift += 1;
      }
    }
  }
  return found.map(({ reading, ...count }) => ({
    change: change.name,
    reading: reading.name,
    runs,
    ...count,
  }));
}

function isAlarm(verdict: DriftVerdict): boolean {
  return verdict === 'watch' || verdict === 'drift';
}
