/**
 * Remembers what a model predicted, by request id, until the label comes: the latest answers of each model, in memory
 * only. A label is taken once.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import { type FeatureValue, featureValues } from '../../shared/telemetry/feature-value.ts';
import type { ServedVersion } from '../telemetry/observation.ts';

export type Label = number | string;

interface Prediction {
  readonly version: ServedVersion;
  readonly rows: readonly Label[];
  labelled: boolean;
}

export class PredictionLog {
  readonly #byModel = new Map<string, Map<string, Prediction>>();

  /** Keeps an answer. Does nothing for a version without a label rule, or an answer of more rows than are kept. */
  keep(id: string, version: ServedVersion, outputs: readonly Tensor[]): void {
    const { label } = version.manifest;
    const output = label && outputs.find((tensor) => tensor.name === label.output);
    if (!output || (output.shape[0] ?? 1) > limits.rowsPerPredictionMax) return;
    const kept = this.#byModel.get(version.model) ?? new Map<string, Prediction>();
    this.#byModel.set(version.model, kept);
    kept.delete(id);
    kept.set(id, { version, rows: predictedLabels(version.manifest, output), labelled: false });
    if (kept.size > limits.predictionsKeptForFeedback) kept.delete(kept.keys().next().value!);
  }

  /**
   * Pairs a label (or one label a row) with what was predicted. Throws `prediction_unknown`, `label_known` or
   * `label_invalid`; then nothing was taken.
   */
  label(
    model: string,
    id: string,
    label: Label | readonly Label[],
  ): { readonly version: ServedVersion; readonly pairs: readonly { predicted: Label; actual: Label }[] } {
    const prediction = this.#byModel.get(model)?.get(id);
    if (!prediction) {
      throw new AppError(
        'prediction_unknown',
        `Cannot take the label: no answer "${id}" of "${model}" is remembered.`,
      );
    }
    if (prediction.labelled) {
      throw new AppError('label_known', `Cannot take the label: the answer "${id}" of "${model}" has one.`);
    }
    const labels = Array.isArray(label) ? (label as readonly Label[]) : [label as Label];
    const { version, rows } = prediction;
    if (labels.length !== rows.length) {
      refuse(`the answer has ${rows.length} rows, found ${labels.length} labels`);
    }
    const pairs = rows.map((predicted, row) => ({
      predicted,
      actual: actualLabel(version.manifest, labels[row]!),
    }));
    prediction.labelled = true;
    return { version, pairs };
  }
}

/** One prediction a row: the first column for a regression, the class for a classification. */
function predictedLabels({ label, interface: { classes } }: ModelManifest, output: Tensor): readonly Label[] {
  const tensor = output.name;
  if (label?.kind === 'regression') return featureValues({ tensor, column: 0 }, output).map(asLabel);
  const scores = output.datatype.startsWith('FP');
  const values = featureValues(scores ? { tensor, summary: 'argmax' } : { tensor, column: 0 }, output);
  return values.map((value) => (typeof value === 'number' ? (classes?.[value] ?? value) : asLabel(value)));
}

function asLabel(value: FeatureValue): Label {
  return typeof value === 'bigint' ? Number(value) : value;
}

function actualLabel({ label, interface: { classes } }: ModelManifest, actual: Label): Label {
  if (label?.kind === 'regression') {
    if (typeof actual === 'number' && Number.isFinite(actual)) return actual;
    return refuse(`${JSON.stringify(actual)} is not a number, and the model predicts numbers`);
  }
  if (!classes) return actual;
  const name = typeof actual === 'number' ? classes[actual] : actual;
  if (name !== undefined && classes.includes(name)) return name;
  return refuse(`${JSON.stringify(actual)} is no class of the model; classes are ${classes.slice(0, 10)}`);
}

function refuse(why: string): never {
  throw new AppError('label_invalid', `Cannot take the label: ${why}.`);
}
