/**
 * When a feature has drifted: the difference must be significant, so that it is not chance, and large, so that it matters.
 * With many rows every difference is significant; with few, every difference is large.
 *
 * Large is measured with what is left of PSI when its expectation without drift is subtracted, so that the same limits hold at every
 * sample size and more rows find more. Between two normal distributions that differ by d standard deviations PSI is d²
 * (Jeffreys' divergence), which gives the limits their meaning: `watch` from 0.22σ, `drift` from 0.45σ, a small and a medium
 * effect (J. Cohen, "Statistical Power Analysis", 1988: 0.2 and 0.5), with a margin for what cells lose. The
 * convention of credit scoring, 0.1 and 0.25 (N. Siddiqi, "Credit Risk Scorecards", 2006), is about PSI with the chance part in it.
 */
import type { DriftVerdict } from '../../shared/api/drift.ts';

export const driftRule = {
  watchExcess: 0.05,
  driftExcess: 0.2,
  /** D of Kolmogorov and Smirnov that is large enough to be watched: that of 0.2σ. */
  watchDistance: 0.08,
  /** Chance of any false alarm over the features of a version, in one reading. */
  level: 0.01,
} as const;

/** Of a feature with rows enough. */
export function verdictOf(excess: number, isSignificant: boolean): Exclude<DriftVerdict, 'too-few'> {
  if (!isSignificant || !(excess > driftRule.watchExcess)) return 'stable';
  return excess > driftRule.driftExcess ? 'drift' : 'watch';
}

/** Verdicts from calm to bad; `too-few` is no verdict on drift and has no rank. */
const severity: Readonly<Record<DriftVerdict, number>> = { 'too-few': 0, stable: 1, watch: 2, drift: 3 };

/** Negative when `a` is the worse one. */
export function compareVerdicts(a: DriftVerdict, b: DriftVerdict): number {
  return severity[b] - severity[a];
}

/** The worst verdict; `too-few` when there is none or nothing else. */
export function worstVerdict(verdicts: Iterable<DriftVerdict>): DriftVerdict {
  let worst: DriftVerdict = 'too-few';
  for (const verdict of verdicts) if (severity[verdict] > severity[worst]) worst = verdict;
  return worst;
}
