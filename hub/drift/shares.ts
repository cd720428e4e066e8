/** Counts as shares of their sum; undefined where there are none. */
export function sharesOf(counts: readonly number[]): readonly number[] | undefined {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return total > 0 ? counts.map((n) => n / total) : undefined;
}
