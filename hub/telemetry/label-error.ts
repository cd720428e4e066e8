/** The error of a version against labels that were sent back. */
import type { LabelError } from '../../shared/api/telemetry.ts';
import type { Calibration, LabelFigures } from '../../shared/protocol/telemetry-report.ts';
import { confidenceScale, labelledAnswers } from '../../shared/sketch/label-sums.ts';

type ClassError = Extract<LabelError, { kind: 'classification' }>;

/**
 * Undefined without labels, or when a device sent sums that are no longer finite. `classes` are those that confusion is counted
 * by; without them it is left out.
 */
export function labelError(
  labels: LabelFigures | undefined,
  classes?: readonly string[],
): LabelError | undefined {
  if (labels === undefined || labels.n === 0) return undefined;
  const { n } = labels;
  const answers = labelledAnswers(labels);
  if (labels.kind === 'classification') {
    const calibration = calibrationOf(labels.calibration);
    const confusion = confusionOf(labels.confusion, classes);
    return {
      kind: 'classification',
      n,
      answers,
      accuracy: labels.correct / n,
      ...(calibration && { calibration }),
      ...(confusion && { confusion }),
    };
  }
  const mae = labels.absoluteError / n;
  const rmse = Math.sqrt(labels.squaredError / n);
  if (!Number.isFinite(mae) || !Number.isFinite(rmse)) return undefined;
  const { signedError } = labels;
  const bias = signedError && signedError.n > 0 ? signedError.sum / signedError.n : Number.NaN;
  return {
    kind: 'regression',
    n,
    answers,
    mae,
    rmse,
    ...(Number.isFinite(bias) && { bias }),
  };
}

/** Expected calibration error (Naeini, Cooper, Hauskrecht, AAAI 2015): |accuracy − confidence| of each bin, weighted by its labels. */
function calibrationOf(sums: Calibration | undefined): ClassError['calibration'] {
  if (!sums) return undefined;
  const bins = sums.n.flatMap((n, bin) =>
    n > 0
      ? [
          {
            n,
            confidence: sums.confidence[bin]! / (n * confidenceScale),
            accuracy: sums.correct[bin]! / n,
          },
        ]
      : [],
  );
  const n = sumOf(bins.map((bin) => bin.n));
  if (n === 0) return undefined;
  const error = sumOf(bins.map((bin) => Math.abs(bin.accuracy - bin.confidence) * bin.n)) / n;
  return { n, error, bins };
}

function confusionOf(
  cells: readonly number[] | undefined,
  classes: readonly string[] | undefined,
): ClassError['confusion'] {
  if (!cells || !classes || cells.length !== classes.length ** 2) return undefined;
  const size = classes.length;
  const counts = classes.map((_, actual) => cells.slice(actual * size, (actual + 1) * size));
  return { n: sumOf(cells), classes: [...classes], counts };
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
