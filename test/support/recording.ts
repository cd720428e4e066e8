/** A recorder that keeps what it was told. */
import type { Recorder, ServedVersion } from '../../agent/telemetry/observation.ts';

export interface Recording extends Recorder {
  readonly told: string[];
  count(start: string): number;
}

export function makeRecording(): Recording {
  const told: string[] = [];
  return {
    told,
    count: (start) => told.filter((line) => line.startsWith(start)).length,
    serving: (served) => told.push(`serving ${named(served)}`),
    answered: (served) => told.push(`answered ${named(served)}`),
    failed: ({ version }, code) => told.push(`failed ${version} ${code}`),
    refused: ({ version }, fitsBefore) => told.push(`refused ${version}${fitsBefore ? ' fits before' : ''}`),
    crashed: ({ version }) => told.push(`crashed ${version}`),
    labelled: ({ version }, rows) => {
      for (const { predicted, actual } of rows) told.push(`labelled ${version} ${predicted} ${actual}`);
    },
  };
}

function named({ version, rollout, offer }: ServedVersion): string {
  return [version, ...(rollout ? ['for', rollout] : []), ...(offer ? [offer] : [])].join(' ');
}
