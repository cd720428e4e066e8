/** Drift verdicts as numbers, so that the database can order by them. */
import type { DriftVerdict } from '../../../shared/api/drift.ts';

const ascending = ['too-few', 'stable', 'watch', 'drift'] as const satisfies readonly DriftVerdict[];

export function severityOf(verdict: DriftVerdict): number {
  return ascending.indexOf(verdict);
}

export function verdictOf(severity: number): DriftVerdict {
  return ascending[severity] ?? 'too-few';
}
