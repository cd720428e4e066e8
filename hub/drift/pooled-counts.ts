/**
 * Counts of one feature over several devices, each with its capped weight (hub/telemetry/capped-weights.ts): the shares of
 * a device stay as they are, its rows count for no more than those of the median device. Counts become fractions.
 */
import { limits } from '../../shared/base/limits.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import { capWeights } from '../telemetry/capped-weights.ts';

export interface PooledCounts {
  readonly counts: readonly number[];
  readonly missing: number;
  readonly moments: { readonly n: number; readonly sum: number; readonly sumSquares: number };
  /** Rows of all devices. */
  readonly rows: number;
  /** Devices with enough rows to be counted with. */
  readonly devices: number;
}

/** `devices`: one entry for each device, undefined where it has no counts of the feature; `cells` is their number. */
export function pooledCounts(devices: readonly (FeatureCounts | undefined)[], cells: number): PooledCounts {
  const rowsOf = devices.map((one) => (one === undefined ? 0 : sum(one.counts) + one.missing));
  const { cap, withEvidence } = capWeights(rowsOf, limits.driftRowsMin);
  const counts = new Array<number>(cells).fill(0);
  const moments = { n: 0, sum: 0, sumSquares: 0 };
  let missing = 0;
  for (const [i, one] of devices.entries()) {
    const rows = rowsOf[i]!;
    if (one === undefined || rows === 0) continue;
    const weight = Math.min(rows, cap) / rows;
    for (let cell = 0; cell < cells; cell += 1) counts[cell]! += weight * one.counts[cell]!;
    missing += weight * one.missing;
    if (one.moments === undefined) continue;
    moments.n += weight * one.moments.n;
    moments.sum += weight * one.moments.sum;
    moments.sumSquares += weight * one.moments.sumSquares;
  }
  return { counts, missing, moments, rows: sum(rowsOf), devices: withEvidence };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, n) => total + n, 0);
}
