/** A measured series as a device would count it: the profile from its first rows, then spans of consecutive rows against it. */
import { judgeFeatures } from '../../../hub/drift/verdict.ts';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
import type { FeatureProfile } from '../../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../../shared/protocol/telemetry-report.ts';
import { OpenBlocks, scoreOf } from '../../../shared/sketch/block-sums.ts';
import { cellOf } from '../../../shared/sketch/histogram-counts.ts';
import { orderedProfile, packedColumn } from '../drift/columns.ts';

/** A profile of values, with what their order tells or without. */
export function profileOf(name: string, values: readonly number[], isOrdered: boolean): FeatureProfile {
  const present = values.filter((value) => !Number.isNaN(value));
  return isOrdered ? orderedProfile(name, present) : packedColumn(name, 'numeric', present);
}

/** What one reading says of consecutive rows; NaN is a missing value. */
export function verdictOf(profile: FeatureProfile, values: readonly number[]): DriftVerdict {
  const counts = countsOf(profile, values);
  return judgeFeatures({ rows: values.length, features: [profile] }, [counts])[0]!.verdict;
}

function countsOf(profile: FeatureProfile, values: readonly number[]): FeatureCounts {
  if (profile.kind !== 'numeric') throw new Error('Expected a numeric feature.');
  const open = new OpenBlocks();
  const counts = new Array<number>(profile.counts.length).fill(0);
  let missing = 0;
  for (const value of values) {
    if (Number.isNaN(value)) {
      missing += 1;
      continue;
    }
    const cell = cellOf(profile.edges, value);
    counts[cell]! += 1;
    open.add(scoreOf(cell, counts.length));
  }
  return { name: profile.name, counts, missing, blocks: open.take() };
}
