/** What the labels of one answer count as: the figures of a window, before they are added up. */
import { limits } from '../base/limits.ts';
import type { LabelFigures } from '../protocol/telemetry-report.ts';
import { calibrationBinOf, sumLabels } from '../sketch/label-sums.ts';
import { type Label, type LabelTerms, labelClasses } from './label-reading.ts';

/** What was predicted for one row, and what it should have been. */
export interface LabelledRow {
  readonly predicted: Label;
  readonly actual: Label;
  /** How sure the model was of its prediction, in thousandths; absent where its output does not tell. */
  readonly confidence?: number | undefined;
}

/**
 * Figures of the kind that the label rule names; undefined when no row has any. A regression leaves rows out whose error is
 * no finite number.
 */
export function labelFigures(terms: LabelTerms, rows: readonly LabelledRow[]): LabelFigures | undefined {
  const figuresOf = terms.label.kind === 'regression' ? regressionFigures : classificationFigures(terms);
  let sum: LabelFigures | undefined;
  for (const row of rows) sum = sumLabels(sum, figuresOf(row));
  return sum && { ...sum, answers: 1 };
}

function regressionFigures({ predicted, actual }: LabelledRow): LabelFigures | undefined {
  const error = Number(predicted) - Number(actual);
  const squaredError = error * error;
  if (!Number.isFinite(squaredError)) return undefined;
  return {
    kind: 'regression',
    n: 1,
    absoluteError: Math.abs(error),
    squaredError,
    signedError: { n: 1, sum: error },
  };
}

function classificationFigures(terms: LabelTerms): (row: LabelledRow) => LabelFigures {
  const classes = countedClasses(terms);
  return ({ predicted, actual, confidence }) => {
    const correct = String(predicted) === String(actual) ? 1 : 0;
    return {
      kind: 'classification',
      n: 1,
      correct,
      ...(classes && { confusion: confusionOf(classes, String(predicted), String(actual)) }),
      ...(confidence !== undefined && { calibration: calibrationOf(confidence, correct) }),
    };
  };
}

/** Classes by which confusion is counted, in order; undefined when they are not known or too many. */
export function countedClasses(terms: LabelTerms): readonly string[] | undefined {
  const classes = labelClasses(terms);
  return classes && classes.length <= limits.confusionClassesMax ? classes : undefined;
}

/** One row: of k classes, cell actual·k + predicted. A prediction that is none of the classes, such as NaN, is in no cell. */
function confusionOf(classes: readonly string[], predicted: string, actual: string): number[] {
  const counts = new Array<number>(classes.length ** 2).fill(0);
  const [row, column] = [classes.indexOf(actual), classes.indexOf(predicted)];
  if (row !== -1 && column !== -1) counts[row * classes.length + column] = 1;
  return counts;
}

function calibrationOf(confidence: number, correct: number) {
  const at = calibrationBinOf(confidence);
  const only = (value: number) =>
    Array.from({ length: limits.calibrationBins }, (_, bin) => (bin === at ? value : 0));
  return { n: only(1), confidence: only(confidence), correct: only(correct) };
}
