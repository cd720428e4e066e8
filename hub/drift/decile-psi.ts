/**
 * PSI as published tables have it (N. Siddiqi, "Credit Risk Scorecards", 2006; Evidently and others): ten bins at the deciles of the
 * reference, a share of zero replaced by 1e-4, missing values left out. It follows from a profile whose edges include the
 * deciles, as those of 10 or 20 cells do where no value is frequent; otherwise it is undefined, for rows cannot be parted again.
 */
const BINS = 10;
const FLOOR = 1e-4;

/** Both arrays are laid out as in a numeric profile: underflow, bins, overflow. */
export function decilePsi(reference: readonly number[], current: readonly number[]): number | undefined {
  const rows = reference.reduce((sum, n) => sum + n, 0);
  const rowsNow = current.reduce((sum, n) => sum + n, 0);
  if (!(rowsNow > 0) || rows < BINS) return undefined;
  let psi = 0;
  let bins = 0;
  let inBin = 0;
  let inBinNow = 0;
  let below = 0;
  for (const [i, n] of reference.entries()) {
    inBin += n;
    inBinNow += current[i]!;
    below += n;
    const isLast = i === reference.length - 1;
    // A decile between two rows leaves up to one row more or less below it.
    const isDecile = Math.abs(below - ((bins + 1) * rows) / BINS) <= 1;
    if (isLast ? bins !== BINS - 1 : !isDecile || bins === BINS - 1) continue;
    const p = inBin / rows || FLOOR;
    const q = inBinNow / rowsNow || FLOOR;
    psi += (p - q) * Math.log(p / q);
    bins += 1;
    inBin = 0;
    inBinNow = 0;
  }
  return bins === BINS ? psi : undefined;
}
