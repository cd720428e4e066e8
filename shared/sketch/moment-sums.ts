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

  /** Values that are not finite are left out. */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    const distance = value - this.shift;
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
