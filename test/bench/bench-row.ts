/** One figure of one bench, beside what it is compared with in the same run. */
export interface BenchRow {
  readonly name: string;
  readonly unit: string;
  /** Median of our runs. */
  readonly ours: number;
  /** Median of each peer or limit, same unit, same run. */
  readonly against: Readonly<Record<string, number>>;
  /** Ours divided by the first peer; null where there is none. */
  readonly ratio: number | null;
  readonly runs: number;
  readonly min: number;
  readonly max: number;
}

/** Makes a row of the figures of each run: ours, and each peer's. */
export function benchRow(
  name: string,
  unit: string,
  ours: readonly number[],
  peers: Readonly<Record<string, readonly number[]>> = {},
): BenchRow {
  const against = Object.fromEntries(Object.entries(peers).map(([peer, figures]) => [peer, median(figures)]));
  const [first] = Object.values(against);
  return {
    name,
    unit,
    ours: median(ours),
    against,
    ratio: first === undefined ? null : median(ours) / first,
    runs: ours.length,
    min: Math.min(...ours),
    max: Math.max(...ours),
  };
}

/** Middle value; the mean of the two middle ones for an even count. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
