/**
 * Counts of one feature over many units of evidence, a unit being one device in one hour, kept by how much each unit brings:
 * class k holds the units of 2^k to 2^(k+1) − 1 rows. So the weight of a unit can be capped afterwards at what the median unit
 * brings (../capped-weights.ts) without knowing the units apart. Every figure is an integer, and a unit that grows leaves its
 * class and joins the next: the result depends on the units alone, never on the order or the number of their reports.
 */
import type { FeatureCounts } from '../../../shared/protocol/telemetry-report.ts';
import { addBlockNumbers, fillableBlocks } from '../../../shared/sketch/block-sums.ts';

export interface UnitClass {
  units: number;
  missing: number;
  /** Rows by bin, laid out as the profile of the feature says. */
  readonly counts: number[];
  /** Block sums (shared/sketch/block-sums.ts). */
  readonly blocks: number[];
}

export type UnitCounts = Pick<FeatureCounts, 'counts' | 'missing' | 'blocks'>;

export class UnitClasses {
  readonly #classes = new Map<number, UnitClass>();

  /**
   * Adds (`sign` 1) or removes (−1) one unit; one without rows is none. A window may bring a block that began before it, and windows of
   * few rows that each claim one would bring thousands: then the blocks of one device would stand for those of all.
   */
  add(unit: UnitCounts, sign: 1 | -1): void {
    const rows = rowsOf(unit);
    if (rows === 0) return;
    const { counts, missing } = unit;
    const blocks = fillableBlocks(unit.blocks ?? [], rows - missing);
    this.addClass(Math.floor(Math.log2(rows)), { units: 1, counts, missing, blocks }, sign);
  }

  /** Adds or removes units of one class. */
  addClass(exponent: number, more: Readonly<UnitClass>, sign: 1 | -1): void {
    const found = this.#classes.get(exponent) ?? {
      units: 0,
      missing: 0,
      counts: new Array<number>(more.counts.length).fill(0),
      blocks: [],
    };
    found.units += sign * more.units;
    found.missing += sign * more.missing;
    for (let bin = 0; bin < found.counts.length; bin += 1) found.counts[bin]! += sign * more.counts[bin]!;
    addBlockNumbers(found.blocks, more.blocks, sign);
    if (isEmpty(found)) this.#classes.delete(exponent);
    else this.#classes.set(exponent, found);
  }

  /** By exponent, ascending. */
  entries(): (readonly [exponent: number, units: Readonly<UnitClass>])[] {
    return [...this.#classes].sort(([a], [b]) => a - b);
  }
}

function rowsOf({ counts, missing }: UnitCounts): number {
  return counts.reduce((sum, n) => sum + n, missing);
}

function isEmpty({ units, missing, counts }: UnitClass): boolean {
  return units === 0 && missing === 0 && counts.every((n) => n === 0);
}
