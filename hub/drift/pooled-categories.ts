/**
 * Many categories and few rows make PSI blind: its critical value grows with every cell (χ² of that many degrees of
 * freedom), though a cell that expects a fraction of a row can show nothing. Rare categories are therefore taken together,
 * rarest first, until a cell expects five rows (W. G. Cochran's rule for χ², Biometrics 10, 1954). Which ones is decided by
 * the reference alone, so that chance decides nothing twice. A category that the reference does not have stays alone.
 */
const EXPECTED_MIN = 5;

export interface PooledCells {
  readonly reference: readonly number[];
  readonly current: readonly number[];
}

export function pooledCategories(reference: readonly number[], current: readonly number[]): PooledCells {
  const share = sumOf(current) / Math.max(1, sumOf(reference));
  const absent = reference.flatMap((n, i) => (n === 0 ? [{ reference: 0, current: current[i]! }] : []));
  const rarestFirst = reference
    .map((n, i) => ({ reference: n, current: current[i]! }))
    .filter((cell) => cell.reference > 0)
    .sort((a, b) => a.reference - b.reference);
  const pooled: { reference: number; current: number }[] = [];
  let open = false;
  for (const cell of rarestFirst) {
    if (!open) pooled.push({ reference: 0, current: 0 });
    const last = pooled.at(-1)!;
    last.reference += cell.reference;
    last.current += cell.current;
    open = last.reference * share < EXPECTED_MIN;
  }
  const cells = [...pooled, ...absent];
  return { reference: cells.map((cell) => cell.reference), current: cells.map((cell) => cell.current) };
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, n) => sum + n, 0);
}
