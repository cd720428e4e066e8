/**
 * How one hour of one device looks against the reference profile, cheaply, for it is judged with each report: by PSI alone, and
 * by the same thresholds as verdict.ts.
 */
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { HourVerdict } from '../telemetry/device-hours/activity-store.ts';
import { judgeFeatures } from './verdict.ts';

const nothing: HourVerdict = { verdict: 'too-few', score: 0 };

/** `profile` is undefined for a version that was packed without one. */
export function judgeHour(
  profile: ReferenceProfile | undefined,
  features: readonly FeatureCounts[],
): HourVerdict {
  if (profile === undefined) return nothing;
  const [worst] = judgeFeatures(profile, features);
  if (worst === undefined || worst.verdict === 'too-few') return nothing;
  const score = worst.psi / worst.threshold;
  return { verdict: worst.verdict, score: Number.isFinite(score) ? score : 0 };
}
