/**
 * Checks a label rule against what the model predicts and, where the sample has them, against its labels: a rule that reads
 * the output wrongly would tell of a bad model on every device.
 */
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { featureValues } from '../../shared/telemetry/feature-value.ts';
import {
  actualLabel,
  type Label,
  type LabelTerms,
  predictedLabels,
} from '../../shared/telemetry/label-reading.ts';

/** Labels of a sample: by row, undefined where there is none. */
export interface SampleLabels {
  readonly of: (row: number) => Label | undefined;
  /** Names the label of a row for messages. */
  readonly where: (row: number) => string;
}

const CLASSES_NAMED_MAX = 10;

export class LabelCheck {
  readonly #terms: LabelTerms;
  readonly #labels: SampleLabels | undefined;
  #rows = 0;
  #agreed = 0;
  #absoluteError = 0;
  /** Labelled rows without an error: the model gave NaN or infinity. */
  #withoutNumber = 0;
  #first: { readonly where: string; readonly predicted: Label; readonly actual: Label } | undefined;
  readonly #unknown = new Set<Label>();
  #outside: number | undefined;

  constructor(terms: LabelTerms, labels?: SampleLabels) {
    this.#terms = terms;
    this.#labels = labels;
  }

  /** Takes the outputs of one run over `rows`. Throws `sample_invalid` for a label that is none. */
  add(rows: readonly number[], outputs: readonly Tensor[]): void {
    const { label } = this.#terms;
    const output = outputs.find((tensor) => tensor.name === label.output);
    if (!output) return;
    const predicted = predictedLabels(this.#terms, output);
    this.#look(output, predicted);
    // An output whose first axis does not count rows has no prediction for each.
    if (predicted.length !== rows.length) return;
    for (const [i, row] of rows.entries()) this.#compare(row, predicted[i]!);
  }

  /** What the publisher should know. Throws `interface_mismatch` when the rule reads the output wrongly. */
  finish(): string[] {
    const { label, classes } = this.#terms;
    if (this.#outside !== undefined) {
      throw mismatch(
        `output "${label.output}" gives ${this.#outside}, which is not a probability; set "label.threshold" to the value from which it means the second class (0 for a logit), or use "label.read: class" if it is the class itself`,
      );
    }
    if (this.#unknown.size > 0) {
      const known = label.values ?? classes!.map((_, i) => i);
      throw mismatch(
        `output "${label.output}" gives ${listed([...this.#unknown])}, expected one of ${listed(known)}; list under "label.values" what the model gives for each class, in the order of "classes"`,
      );
    }
    if (this.#rows === 0) return [];
    if (label.kind === 'regression') return [this.#errorRemark()];
    if (this.#agreed === 0 && this.#rows >= limits.labelRowsMin) {
      const { where, predicted, actual } = this.#first!;
      throw mismatch(
        `none of the ${this.#rows} labels agrees with output "${label.output}" (${where} is "${actual}", but the model predicts "${predicted}"); either the label rule reads the output wrongly, or the labels belong to something else`,
      );
    }
    const share = Number(((100 * this.#agreed) / this.#rows).toPrecision(4));
    return [`${this.#agreed} of ${this.#rows} labelled rows are predicted right (${share} %)`];
  }

  /** Devices leave predictions that are no numbers out of their figures too. */
  #errorRemark(): string {
    const [rows, without] = [this.#rows - this.#withoutNumber, this.#withoutNumber];
    if (rows === 0)
      return `none of ${without} labelled rows is predicted as a number: all are NaN or infinite`;
    const mean = Number((this.#absoluteError / rows).toPrecision(4));
    const others = without === 0 ? '' : ` (left out, predicted as NaN or infinite: ${without})`;
    return `mean absolute error over ${rows} labelled rows: ${mean}${others}`;
  }

  /** Predictions must be classes, whether or not there are labels. */
  #look(output: Tensor, predicted: readonly Label[]): void {
    const { label, classes } = this.#terms;
    if (label.kind === 'regression') return;
    if (label.read === 'threshold' && label.threshold === undefined) {
      for (const value of featureValues({ tensor: output.name, column: 0 }, output)) {
        if (Number(value) < 0 || Number(value) > 1) this.#outside ??= Number(value);
      }
    }
    if (label.read !== 'class' || (classes === undefined && label.values === undefined)) return;
    const known = classes ?? label.values!.map(String);
    for (const value of predicted) {
      if (!known.includes(String(value)) && this.#unknown.size < CLASSES_NAMED_MAX) this.#unknown.add(value);
    }
  }

  #compare(row: number, predicted: Label): void {
    const given = this.#labels?.of(row);
    if (given === undefined) return;
    const where = this.#labels!.where(row);
    const actual = this.#actual(given, where);
    this.#rows += 1;
    this.#first ??= { where, predicted, actual };
    if (String(predicted) === String(actual)) this.#agreed += 1;
    if (this.#terms.label.kind !== 'regression') return;
    const error = Math.abs(Number(predicted) - Number(actual));
    if (Number.isFinite(error)) this.#absoluteError += error;
    else this.#withoutNumber += 1;
  }

  #actual(given: Label, where: string): Label {
    try {
      return actualLabel(this.#terms, given);
    } catch (cause) {
      if (!isAppError(cause)) throw cause;
      const why = cause.message.replace(/^Cannot accept the label: /, '');
      throw new AppError('sample_invalid', `Cannot read the labels of the sample: ${where}: ${why}`, {
        cause,
      });
    }
  }
}

function listed(values: readonly Label[]): string {
  const shown = values.slice(0, CLASSES_NAMED_MAX).map((value) => JSON.stringify(value));
  return `${shown.join(', ')}${values.length > shown.length ? ', …' : ''}`;
}

function mismatch(reason: string): AppError {
  return new AppError('interface_mismatch', `Cannot pack: ${reason}.`);
}
