/** The objectives of a model for which none were set: what the manifest of the version promises. Pure. */
import { type Objectives, targetMax } from '../../shared/api/slos.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';

/** The manifest promises a 95th percentile. */
const LATENCY_TARGET = 0.95;
const TARGET_MIN = 0.5;

export function defaultObjectives({
  objectives = {},
  profile,
}: Pick<ModelManifest, 'objectives' | 'profile'>): Objectives {
  const { errorRateMax, latencyP95Ms } = objectives;
  return {
    ...(errorRateMax === undefined
      ? {}
      : { availability: { target: Math.min(Math.max(1 - errorRateMax, TARGET_MIN), targetMax) } }),
    ...(latencyP95Ms === undefined ? {} : { latency: { target: LATENCY_TARGET, limitMs: latencyP95Ms } }),
    ...(profile && profile.features.length > 0 ? { drift: true } : {}),
  };
}
