/**
 * How a prediction is read from an output, and a label as people write it, so that the two can be compared. A device does
 * it with the labels that come back, `pack` with those of the sample: one reading, or the figures would not agree.
 */
import { AppError } from '../base/app-error.ts';
import { isReal } from '../inference/element-range.ts';
import { quoteText, tensorValues } from '../inference/exact-values.ts';
import type { Tensor } from '../inference/tensor.ts';
import { elementCount } from '../inference/tensor-values.ts';
import type { LabelRule } from '../manifest/model-manifest.ts';
import { confidenceScale } from '../sketch/label-sums.ts';
import { type FeatureValue, featureValues } from './feature-value.ts';

export type Label = number | string;

export interface LabelTerms {
  readonly label: LabelRule;
  readonly classes?: readonly string[] | undefined;
}

const thresholdDefault = 0.5;
/** By how much probabilities may miss 0, 1 or a sum of 1: those of half precision do. */
const ROUNDING = 0.01;
const CLASSES_NAMED_MAX = 10;
const TRUTH: ReadonlyMap<string, number> = new Map([
  ['true', 1],
  ['false', 0],
]);

/** What a rule that does not say it means: one score is held to a threshold, of several the best wins, all else is the class. */
export function readingOf({ read }: LabelRule, { datatype, shape }: Pick<Tensor, 'datatype' | 'shape'>) {
  if (read !== undefined) return read;
  if (!isReal(datatype)) return 'class';
  return columnsOf(shape) === 1 ? 'threshold' : 'argmax';
}

/** Elements of a row of an output; −1 where the model leaves them open. */
export function columnsOf(shape: readonly number[]): number {
  const row = shape.slice(1);
  return row.includes(-1) ? -1 : elementCount(row);
}

/** One prediction a row: the first column for a regression, else the class by its name, or its value where it has none. */
export function predictedLabels(terms: LabelTerms, output: Tensor): readonly Label[] {
  const { label } = terms;
  const tensor = output.name;
  if (label.kind === 'regression') return featureValues({ tensor, column: 0 }, output).map(asLabel);
  const reading = readingOf(label, output);
  if (reading === 'argmax') {
    return featureValues({ tensor, summary: 'argmax' }, output).map((at) => classAt(terms, Number(at)));
  }
  const values = featureValues({ tensor, column: 0 }, output);
  if (reading === 'class') return values.map((value) => classOfValue(terms, value));
  const threshold = label.threshold ?? thresholdDefault;
  return values.map((value) =>
    Number.isNaN(value) ? Number.NaN : classAt(terms, Number(value) >= threshold ? 1 : 0),
  );
}

/**
 * How sure the model is of each prediction, in thousandths: the probability of the class that it predicts. Undefined for a
 * row whose scores are no probabilities (a logit, a distance, NaN), and for all of an output that gives no scores.
 */
export function predictedConfidences(
  { label }: LabelTerms,
  output: Tensor,
): readonly (number | undefined)[] | undefined {
  if (label.kind === 'regression') return undefined;
  const reading = readingOf(label, output);
  if (reading === 'class' || !isReal(output.datatype)) return undefined;
  if (reading === 'threshold') {
    const threshold = label.threshold ?? thresholdDefault;
    // Held to 0, as a logit is, a score is no probability even where it looks like one.
    if (threshold <= 0 || threshold >= 1) return undefined;
    return featureValues({ tensor: output.name, column: 0 }, output).map((value) =>
      thousandths(Number(value) >= threshold ? Number(value) : 1 - Number(value)),
    );
  }
  const scores = tensorValues(output) as ArrayLike<number>;
  const size = elementCount(output.shape.slice(1));
  return Array.from({ length: output.shape[0] ?? 1 }, (_, row) => bestProbability(scores, row * size, size));
}

/** The greatest of `size` scores, when together they are a distribution. */
function bestProbability(scores: ArrayLike<number>, from: number, size: number): number | undefined {
  let sum = 0;
  let best = 0;
  for (let at = from; at < from + size; at += 1) {
    const score = scores[at]!;
    if (!(score >= -ROUNDING)) return undefined;
    sum += score;
    best = Math.max(best, score);
  }
  return Math.abs(sum - 1) <= ROUNDING ? thousandths(best) : undefined;
}

/** Undefined for what is no probability. */
function thousandths(probability: number): number | undefined {
  if (!(probability >= -ROUNDING && probability <= 1 + ROUNDING)) return undefined;
  return Math.round(Math.min(1, Math.max(0, probability)) * confidenceScale);
}

/** The classes of a label rule in their order, as predictions name them; undefined when they are not known. */
export function labelClasses({ label, classes }: LabelTerms): readonly string[] | undefined {
  return label.kind === 'regression' ? undefined : (classes ?? label.values?.map(String));
}

/**
 * A label as predictions are written. A class may be given by name, by its value, or by its place among the classes
 * where neither names nor values are numbers of their own. Throws `label_invalid` for one that the model does not know.
 */
export function actualLabel(terms: LabelTerms, actual: Label | boolean): Label {
  const { label, classes } = terms;
  if (label.kind === 'regression') {
    if (typeof actual === 'number' && Number.isFinite(actual)) return actual;
    return refuse(`${shown(actual)} is not a number, but the model predicts numbers`);
  }
  if (typeof actual === 'number' && Number.isInteger(actual) && !Number.isSafeInteger(actual)) {
    return refuse(`${actual} may have been rounded in transit; send so large a number as text`);
  }
  const text = String(actual);
  const known = classes ?? label.values?.map(String);
  const at = [classes, label.values].map((names) => names?.findIndex((name) => String(name) === text) ?? -1);
  const named = at.find((index) => index !== -1);
  if (named !== undefined) return classAt(terms, named);
  const place = TRUTH.get(text.toLowerCase()) ?? Number(text);
  if (known === undefined) return typeof actual === 'boolean' ? place : actual;
  const isPlace = label.values === undefined && !known.some(isNumeral);
  if (isPlace && text.trim() !== '' && Number.isInteger(place) && place >= 0 && place < known.length) {
    return classAt(terms, place);
  }
  return refuse(
    `${shown(actual)} is not a class of the model; its classes are ${known.slice(0, CLASSES_NAMED_MAX).join(', ')}`,
  );
}

function classAt({ label, classes }: LabelTerms, index: number): Label {
  return classes?.[index] ?? label.values?.[index] ?? index;
}

/**
 * The class that an output gives as such: by its place among `values`, else among class names that are numbers themselves,
 * else as the place of a class.
 */
function classOfValue(terms: LabelTerms, value: FeatureValue): Label {
  const { label, classes } = terms;
  const names = label.values ?? (classes?.some(isNumeral) ? classes : undefined);
  const index = names?.findIndex((known) => String(known) === String(value));
  if (index !== undefined) return index === -1 ? asLabel(value) : classAt(terms, index);
  return typeof value === 'number' ? classAt(terms, value) : asLabel(value);
}

function asLabel(value: FeatureValue): Label {
  return typeof value === 'bigint' ? String(value) : value;
}

function isNumeral(name: string): boolean {
  return name.trim() !== '' && Number.isFinite(Number(name));
}

function shown(label: Label | boolean): string {
  return typeof label === 'string' ? quoteText(label) : String(label);
}

function refuse(why: string): never {
  throw new AppError('label_invalid', `Cannot accept the label: ${why}.`);
}
