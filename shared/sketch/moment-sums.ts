const DISTANCE_MAX = 1e145;

/**
 * Sums from which mean and standard deviation follow. Values are shifted by a number near their mean first, so that the
 * sum of squares does not cancel. There is deliberately no minimum and no maximum: each would be a raw value.
 */
export class MomentSums {
  readonly shift: number;
  n = 0;
  sum = 0;
  sumSquares = 0;

  constructor(shift: number) {
    this.shift = shift;
  }

  /**
   * Values that are not finite are left out, and so are those further than 1e145 from the shift: the squares of 2^40 of them
   * would overflow, and one sentinel of 1e308 would take mean and deviation from all the others.
   */
  add(value: number): void {
    const distance = value - this.shift;
    // NaN and what overflows fail the comparison too.
    if (!(Math.abs(distance) <= DISTANCE_MAX)) return;
    this.n += 1;
    this.sum += distance;
    this.sumSquares += distance * distance;
  }
}

/** Mean and (population) standard deviation of shifted sums; undefined when nothing was summed. */
export function meanAndDeviation(
  sums: { readonly n: number; readonly sum: number; readonly sumSquares: number },
  shift: number,
): { readonly mean: number; readonly deviation: number } | undefined {
  if (sums.n === 0) return undefined;
  const mean = sums.sum / sums.n;
  return { mean: shift + mean, deviation: Math.sqrt(Math.max(0, sums.sumSquares / sums.n - mean * mean)) };
}
