/** The error of a version against labels that were sent back. */
import type { LabelError } from '../../shared/api/telemetry.ts';
import type { LabelFigures } from '../../shared/protocol/telemetry-report.ts';

/** Undefined without labels, or when a device sent sums that are no longer finite. */
export function labelError(labels: LabelFigures | undefined): LabelError | undefined {
  if (labels === undefined || labels.n === 0) return undefined;
  const { n } = labels;
  if (labels.kind === 'classification') return { kind: 'classification', n, accuracy: labels.correct / n };
  const mae = labels.absoluteError / n;
  const rmse = Math.sqrt(labels.squaredError / n);
  return Number.isFinite(mae) && Number.isFinite(rmse) ? { kind: 'regression', n, mae, rmse } : undefined;
}
