/** A recorder that keeps what it was told. */
import type { Recorder } from '../../agent/telemetry/observation.ts';

export interface Recording extends Recorder {
  readonly told: string[];
  count(start: string): number;
}

export function makeRecording(): Recording {
  const told: string[] = [];
  return {
    told,
    count: (start) => told.filter((line) => line.startsWith(start)).length,
    serving: ({ version, rollout }) => told.push(`serving ${version}${rollout ? ` for ${rollout}` : ''}`),
    answered: ({ version, rollout }) => told.push(`answered ${version}${rollout ? ` for ${rollout}` : ''}`),
    failed: ({ version }, code) => told.push(`failed ${version} ${code}`),
    refused: ({ version }, fitsBefore) => told.push(`refused ${version}${fitsBefore ? ' fits before' : ''}`),
    crashed: ({ version }) => told.push(`crashed ${version}`),
    labelled: ({ version }, predicted, actual) => told.push(`labelled ${version} ${predicted} ${actual}`),
  };
}
