/**
 * Integer counts of a numeric feature over fixed edges. Because the edges come from the signed profile, counts of any
 * two windows add up exactly, in any order.
 */

/**
 * Cell of `value` among B+1 strictly rising edges: 0 underflow, 1…B the bins [e_i, e_{i+1}) with the last one closed,
 * B+1 overflow. ±Infinity count as over- or underflow; NaN is the caller's `missing`.
 */
export function cellOf(edges: readonly number[], value: number): number {
  const last = edges.length - 1;
  if (value < edges[0]!) return 0;
  if (value >= edges[last]!) return value === edges[last]! ? last : last + 1;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value < edges[middle]!) high = middle;
    else low = middle;
  }
  return low + 1;
}

export class HistogramCounts {
  readonly edges: readonly number[];
  /** Underflow, the bins, overflow: `edges.length + 1` entries. */
  readonly counts: number[];
  missing = 0;

  constructor(edges: readonly number[]) {
    this.edges = edges;
    this.counts = new Array<number>(edges.length + 1).fill(0);
  }

  /** Returns the cell; undefined for a missing value. */
  add(value: number): number | undefined {
    if (Number.isNaN(value)) {
      this.missing += 1;
      return undefined;
    }
    const cell = cellOf(this.edges, value);
    this.counts[cell]! += 1;
    return cell;
  }
}
