/**
 * Counts of a categorical feature as cells that can be compared. Two reasons not to compare them as they are:
 *
 *   - Categories were listed from the sample itself, most frequent first, so that it has few unseen ones or none, though the
 *     world has. Their expected share is that of the values seen once (I. J. Good, Biometrika 40, 1953); every category
 *     gives up an equal part of a row for it (absolute discounting: H. Ney, U. Essen, R. Kneser, Computer Speech and Language 8, 1994).
 *   - The critical value of PSI grows with every cell (χ² of that many degrees of freedom), though a cell that expects a
 *     fraction of a row can show nothing. Rare categories are merged, as they are listed, until a cell expects five rows
 *     (W. G. Cochran's rule for χ², Biometrics 10, 1954).
 *
 * Both are decided by the reference alone, so that chance decides nothing twice. A category that the reference lists and
 * does not have stays alone, and so does `unseen`.
 */
const EXPECTED_MIN = 5;

export interface CategoryCells {
  /** One count a category. */
  readonly counts: readonly number[];
  readonly unseen: number;
}

export interface PooledCells {
  readonly reference: readonly number[];
  readonly current: readonly number[];
}

export function pooledCategories(sample: CategoryCells, current: CategoryCells): PooledCells {
  const reference = withoutSelection(sample, current);
  const total = sumOf(reference.counts) + reference.unseen;
  const perRow = Math.min(1, (sumOf(current.counts) + current.unseen) / Math.max(1, total));
  const listed = reference.counts.filter((n) => n > 0);
  const once = listed.filter((n) => n === 1).length;
  const discount = once / Math.max(1, listed.length);
  const cells = reference.counts.map((n, i) => ({
    reference: Math.max(0, n - discount),
    current: current.counts[i]!,
    alone: n === 0 || n * perRow >= EXPECTED_MIN,
  }));
  const pooled: { reference: number; current: number }[] = [];
  let expected = EXPECTED_MIN;
  for (const cell of cells.filter(({ alone }) => !alone)) {
    if (expected >= EXPECTED_MIN) pooled.push({ reference: 0, current: 0 });
    const last = pooled.at(-1)!;
    last.reference += cell.reference;
    last.current += cell.current;
    expected = last.reference * perRow;
  }
  const all = [
    ...cells.filter(({ alone }) => alone),
    ...pooled,
    { reference: reference.unseen + once, current: current.unseen },
  ];
  return { reference: all.map((cell) => cell.reference), current: all.map((cell) => cell.current) };
}

/**
 * A full list holds the categories that were most frequent in the sample, and the sample's chance is among the reasons: those at its end are less
 * frequent elsewhere, and the ones left out more. By how much is not known, since those left out are one number; it is at most about
 * one standard deviation √n of each. Within that bound as many rows are taken for unseen as the span has.
 */
function withoutSelection(reference: CategoryCells, current: CategoryCells): CategoryCells {
  const listed = reference.counts.filter((n) => n > 0);
  if (reference.unseen === 0 || listed.length === 0) return reference;
  const least = Math.min(...listed);
  const isLast = (n: number) => n > 0 && n <= least + 2 * Math.sqrt(least);
  const last = sumOf(reference.counts.filter(isLast));
  const lastNow = sumOf(current.counts.filter((_, i) => isLast(reference.counts[i]!)));
  const bound = sumOf(reference.counts.filter(isLast).map(Math.sqrt));
  const asNow = ((reference.unseen + last) * current.unseen) / Math.max(1, current.unseen + lastNow);
  const moved = Math.min(bound, Math.max(0, asNow - reference.unseen));
  return {
    counts: reference.counts.map((n) => (isLast(n) ? n * (1 - moved / last) : n)),
    unseen: reference.unseen + moved,
  };
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, n) => sum + n, 0);
}
