/**
 * Sums of label figures. Counts add exactly and in any order; errors of a regression are floating point and add to rounding.
 * What only some agents send has a number of labels of its own, so that a mean of it is over those that had it.
 */
import { limits } from '../base/limits.ts';
import type { Calibration, LabelFigures } from '../protocol/telemetry-report.ts';

/** Confidence is counted as a whole number of thousandths, so that its sums are exact. */
export const confidenceScale = 1_000;

export function calibrationBinOf(confidence: number): number {
  return Math.min(
    limits.calibrationBins - 1,
    Math.floor((confidence * limits.calibrationBins) / confidenceScale),
  );
}

/** Labels of which agents did not count the answers were each of an answer of one row, as far as the hub knows. */
export function labelledAnswers({ n, answers = n }: LabelFigures): number {
  return answers;
}

/** The sum of two label figures; undefined in one stands for none. Both are of the kind that the version's label rule names. */
export function sumLabels(
  a: LabelFigures | undefined,
  b: LabelFigures | undefined,
): LabelFigures | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const n = a.n + b.n;
  const answers =
    a.answers === undefined && b.answers === undefined
      ? {}
      : { answers: labelledAnswers(a) + labelledAnswers(b) };
  if (a.kind === 'regression' && b.kind === 'regression') {
    const signedError = addSigned(a.signedError, b.signedError);
    return {
      kind: 'regression',
      n,
      ...answers,
      absoluteError: a.absoluteError + b.absoluteError,
      squaredError: a.squaredError + b.squaredError,
      ...(signedError && { signedError }),
    };
  }
  if (a.kind === 'classification' && b.kind === 'classification') {
    const confusion = addCounts(a.confusion, b.confusion);
    const calibration = addCalibration(a.calibration, b.calibration);
    return {
      kind: 'classification',
      n,
      ...answers,
      correct: a.correct + b.correct,
      ...(confusion && { confusion }),
      ...(calibration && { calibration }),
    };
  }
  return a;
}

/** What added to a sum takes these figures out of it again. */
export function negatedLabels(labels: LabelFigures): LabelFigures {
  const n = -labels.n;
  const answers = labels.answers === undefined ? {} : { answers: -labels.answers };
  if (labels.kind === 'regression') {
    const { absoluteError, squaredError, signedError } = labels;
    return {
      kind: 'regression',
      n,
      ...answers,
      absoluteError: -absoluteError,
      squaredError: -squaredError,
      ...(signedError && { signedError: { n: -signedError.n, sum: -signedError.sum } }),
    };
  }
  const { correct, confusion, calibration } = labels;
  return {
    kind: 'classification',
    n,
    ...answers,
    correct: -correct,
    ...(confusion && { confusion: confusion.map(negated) }),
    ...(calibration && {
      calibration: {
        n: calibration.n.map(negated),
        confidence: calibration.confidence.map(negated),
        correct: calibration.correct.map(negated),
      },
    }),
  };
}

type SignedError = Extract<LabelFigures, { kind: 'regression' }>['signedError'];

function addSigned(a: SignedError, b: SignedError): SignedError {
  return a && b ? { n: a.n + b.n, sum: a.sum + b.sum } : (a ?? b);
}

function addCalibration(a: Calibration | undefined, b: Calibration | undefined): Calibration | undefined {
  if (!a || !b) return a ?? b;
  return {
    n: addCounts(a.n, b.n)!,
    confidence: addCounts(a.confidence, b.confidence)!,
    correct: addCounts(a.correct, b.correct)!,
  };
}

function addCounts(a: readonly number[] | undefined, b: readonly number[] | undefined): number[] | undefined {
  if (!a || !b) return (a ?? b)?.slice();
  return a.map((count, i) => count + (b[i] ?? 0));
}

function negated(count: number): number {
  return count === 0 ? 0 : -count;
}
