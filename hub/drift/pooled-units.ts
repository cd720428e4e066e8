/**
 * Counts of one feature over many units of evidence, each with its capped weight (hub/telemetry/capped-weights.ts), from sums by
 * class (hub/telemetry/rollups/unit-classes.ts). Units of one class count as if each had the mean of them, which is within a factor
 * of two of what each has: so none has more than twice the weight that the cap allows.
 */
import { limits } from '../../shared/base/limits.ts';
import { addBlockNumbers } from '../../shared/sketch/block-sums.ts';
import { weightedMedianCap } from '../telemetry/capped-weights.ts';
import type { Moments } from '../telemetry/rollups/rollup-sums.ts';
import type { UnitClass, UnitClasses } from '../telemetry/rollups/unit-classes.ts';

export interface PooledCounts {
  readonly counts: readonly number[];
  readonly missing: number;
  readonly moments: Moments;
  /** Block sums (shared/sketch/block-sums.ts). */
  readonly blocks: readonly number[];
  /** Rows of all units. */
  readonly rows: number;
  /** Units with enough rows to be counted with. */
  readonly devices: number;
  readonly units: number;
}

export interface UnitSums {
  readonly classes: Pick<UnitClasses, 'entries'>;
  readonly moments: Moments;
}

/**
 * `sums` is undefined where no unit has counts of the feature, `bins` is the number of its counts, `possible` how many units there are, also
 * without counts.
 */
export function pooledUnits(sums: UnitSums | undefined, bins: number, possible?: number): PooledCounts {
  const classes = (sums?.classes.entries() ?? []).map(([, units]) => ({ units, rows: rowsOf(units) }));
  const { cap, withEvidence } = weightedMedianCap(
    classes.map(({ units: { units }, rows }) => ({ units, amount: rows / units })),
    limits.driftRowsMin,
    possible,
  );
  const counts = new Array<number>(bins).fill(0);
  const blocks: number[] = [];
  let missing = 0;
  let rows = 0;
  let all = 0;
  for (const { units, rows: ofClass } of classes) {
    const weight = Math.min(1, cap / (ofClass / units.units));
    for (let bin = 0; bin < bins; bin += 1) counts[bin]! += weight * units.counts[bin]!;
    missing += weight * units.missing;
    addBlockNumbers(blocks, units.blocks, weight);
    all += units.units;
    rows += ofClass;
  }
  const moments = sums?.moments ?? { n: 0, sum: 0, sumSquares: 0 };
  return { counts, missing, moments, blocks, rows, devices: withEvidence, units: all };
}

function rowsOf({ counts, missing }: UnitClass): number {
  return counts.reduce((sum, n) => sum + n, missing);
}
