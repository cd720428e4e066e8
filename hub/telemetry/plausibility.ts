/**
 * Whether a window is plausible: no device answers more requests, or counts more rows, than its time can hold. What is not
 * bounded here is bounded by the capped weight of a device in the figures of many (capped-weights.ts).
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { FeatureCounts, LabelFigures, TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { blocksMax, SCORE_MAX, sumsOfAllLengths } from '../../shared/sketch/block-sums.ts';
import { confidenceScale, labelledAnswers } from '../../shared/sketch/label-sums.ts';

/** What sums of floating point may differ by from what they are in truth. */
const ROUNDING = 1 + 1e-9;
/** The same of windows of many millions of rows. */
const MOMENTS_ROUNDING = 1 + 1e-6;
/** Squares of the smallest numbers have few digits left. */
const SMALLEST = 1e-300;

/** Milliseconds that the window covers, by the device's clock. */
export function spanMs({ from, to }: Pick<TelemetryReport, 'from' | 'to'>): number {
  return to - from;
}

/** Throws `telemetry_implausible`. */
export function checkPlausible(report: TelemetryReport): void {
  const covered = spanMs(report);
  if (covered < 0 || covered > limits.telemetryWindowMsMax) {
    throw implausible(report, `a window of ${covered} ms`, `0 to ${limits.telemetryWindowMsMax} ms`);
  }
  const seconds = Math.max(covered, limits.telemetrySpanMsMin) / 1_000;
  const { ok, failed, refused } = report.requests;
  const requests = sum(Object.values(failed)) + ok + (refused?.all ?? 0);
  atMost(report, { what: 'requests', found: requests, most: seconds * limits.requestsPerSecondMax });
  // A request of labels may hold one for each row of an answer.
  const labelsMax = seconds * limits.requestsPerSecondMax * limits.rowsPerPredictionMax;
  atMost(report, { what: 'labels', found: report.labels?.n ?? 0, most: labelsMax });
  atMost(report, { what: 'crashes', found: report.crashes, most: seconds * limits.requestsPerSecondMax });
  const rowsMax = Math.min(ok * limits.rowsCountedPerRequestMax, seconds * limits.rowsPerSecondMax);
  for (const { name, counts, missing, moments, blocks = [] } of report.features) {
    const present = sum(counts);
    atMost(report, { what: `rows of feature "${name}"`, found: present + missing, most: rowsMax });
    atMost(report, {
      what: `rows in the moments of feature "${name}"`,
      found: moments?.n ?? 0,
      most: present,
    });
    if (moments) checkMoments(report, name, moments);
    checkBlocks(report, { name, blocks, present });
  }
  if (report.labels) checkLabels(report, report.labels);
}

/** The square of a sum is at most n times the sum of the squares (Cauchy, Schwarz). */
function checkMoments(
  report: TelemetryReport,
  name: string,
  { n, sum, sumSquares }: NonNullable<FeatureCounts['moments']>,
): void {
  const of = `in the moments of feature "${name}"`;
  atMost(report, { what: `as squares below 0 ${of}`, found: -sumSquares, most: 0 });
  atMost(report, {
    what: `as the square of the sum ${of}`,
    found: sum ** 2,
    most: n * sumSquares * MOMENTS_ROUNDING + SMALLEST,
  });
}

function checkLabels(report: TelemetryReport, labels: LabelFigures): void {
  const { n } = labels;
  const answers = labelledAnswers(labels);
  atMost(report, { what: 'answers with a label', found: answers, most: n });
  atMost(report, { what: 'labels', found: n, most: answers * limits.rowsPerPredictionMax });
  if (labels.kind === 'classification') checkClasses(report, labels);
  else checkErrors(report, labels);
}

function checkErrors(report: TelemetryReport, labels: Extract<LabelFigures, { kind: 'regression' }>): void {
  const { n, absoluteError, squaredError, signedError = { n: 0, sum: 0 } } = labels;
  atMost(report, {
    what: 'as the square of the absolute error',
    found: absoluteError ** 2,
    most: n * squaredError * ROUNDING + SMALLEST,
  });
  atMost(report, {
    what: 'as the squared error',
    found: squaredError,
    most: absoluteError ** 2 * ROUNDING + SMALLEST,
  });
  atMost(report, { what: 'labels with a signed error', found: signedError.n, most: n });
  atMost(report, {
    what: 'as the signed error',
    found: Math.abs(signedError.sum),
    most: absoluteError * ROUNDING,
  });
}

/** Each label is in one cell and one bin at most, and right or wrong in all of them alike. */
function checkClasses(
  report: TelemetryReport,
  { n, correct, confusion = [], calibration }: Extract<LabelFigures, { kind: 'classification' }>,
): void {
  atMost(report, { what: 'right answers', found: correct, most: n });
  const wrong = n - correct;
  const right = sum(confusion.filter((_, cell) => cell % (Math.sqrt(confusion.length) + 1) === 0));
  atMost(report, { what: 'right answers by class', found: right, most: correct });
  atMost(report, { what: 'wrong answers by class', found: sum(confusion) - right, most: wrong });
  if (!calibration) return;
  const binned = sum(calibration.correct);
  atMost(report, { what: 'right answers by confidence', found: binned, most: correct });
  atMost(report, { what: 'wrong answers by confidence', found: sum(calibration.n) - binned, most: wrong });
  for (const [bin, inBin] of calibration.n.entries()) {
    const of = `in bin ${bin + 1} of confidence`;
    const confidence = calibration.confidence[bin]!;
    const width = confidenceScale / limits.calibrationBins;
    atMost(report, { what: `right answers ${of}`, found: calibration.correct[bin]!, most: inBin });
    atMost(report, { what: `thousandths ${of}`, found: confidence, most: inBin * width * (bin + 1) });
    atMost(report, { what: `thousandths at least ${of}`, found: inBin * width * bin, most: confidence });
  }
}

/** A block may have begun before the window, and the one before it ended there. A length without a block has no squares either. */
function checkBlocks(
  report: TelemetryReport,
  {
    name,
    blocks,
    present,
  }: { readonly name: string; readonly blocks: readonly number[]; readonly present: number },
): void {
  for (const sums of sumsOfAllLengths(blocks)) {
    const scoreMax = SCORE_MAX * sums.rows;
    const of = `in blocks of ${sums.rows} of feature "${name}"`;
    atMost(report, {
      what: `rows ${of}`,
      found: sums.blocks * sums.rows,
      most: blocksMax(sums.rows, present) * sums.rows,
    });
    atMost(report, { what: `as squares ${of}`, found: sums.sumSquares, most: sums.blocks * scoreMax ** 2 });
    atMost(report, {
      what: `as squares of steps ${of}`,
      found: sums.squaredSteps,
      most: sums.blocks * (2 * scoreMax) ** 2,
    });
  }
}

/** Why a window is refused that covers more time than its assignment has lasted. */
export function spanTooLong(report: {
  readonly model: string;
  readonly version: string;
  readonly spanMs: number;
}): AppError {
  return implausible(
    report,
    `a window of ${report.spanMs} ms`,
    'at most the time that has passed since the previous window or since the offer',
  );
}

function atMost(
  report: TelemetryReport,
  { what, found, most }: { readonly what: string; readonly found: number; readonly most: number },
): void {
  if (!(found <= most)) {
    throw implausible(report, `${found} ${what} in ${spanMs(report)} ms`, `at most ${Math.floor(most)}`);
  }
}

function implausible(
  { model, version }: Pick<TelemetryReport, 'model' | 'version'>,
  found: string,
  wanted: string,
): AppError {
  return new AppError(
    'telemetry_implausible',
    `Cannot accept telemetry of ${model} ${version}: found ${found}, expected ${wanted}.`,
  );
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, n) => total + n, 0);
}
