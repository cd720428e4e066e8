/**
 * Remembers what a model predicted, by request id, until the label comes: the latest answers of each model, in memory
 * only. A label is taken once.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { LabelRule, ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { LabelledRow } from '../../shared/telemetry/label-figures.ts';
import {
  actualLabel,
  type Label,
  type LabelTerms,
  predictedConfidences,
  predictedLabels,
} from '../../shared/telemetry/label-reading.ts';
import type { ServedVersion } from '../telemetry/observation.ts';

/** A label as it is sent. */
export type GivenLabel = Label | boolean;

interface Prediction {
  readonly version: ServedVersion;
  readonly rows: readonly Label[];
  readonly confidences: readonly (number | undefined)[] | undefined;
  labelled: boolean;
}

export class PredictionLog {
  readonly #byModel = new Map<string, Map<string, Prediction>>();

  /** Keeps an answer. Does nothing for a version without a label rule, or an answer of more rows than are kept. */
  keep(id: string, version: ServedVersion, outputs: readonly Tensor[]): void {
    const { label } = version.manifest;
    const output = outputs.find((tensor) => tensor.name === label?.output);
    if (!label || !output || (output.shape[0] ?? 1) > limits.rowsPerPredictionMax) return;
    const kept = this.#byModel.get(version.model) ?? new Map<string, Prediction>();
    this.#byModel.set(version.model, kept);
    kept.delete(id);
    kept.set(id, {
      version,
      rows: predictedLabels(termsOf(version.manifest, label), output),
      confidences: predictedConfidences(termsOf(version.manifest, label), output),
      labelled: false,
    });
    if (kept.size > limits.predictionsKeptForFeedback) kept.delete(kept.keys().next().value!);
  }

  /**
   * Pairs a label (or one label a row) with what was predicted. Throws `prediction_unknown`, `label_known` or
   * `label_invalid`; then nothing was taken.
   */
  label(
    model: string,
    id: string,
    label: GivenLabel | readonly GivenLabel[],
  ): { readonly version: ServedVersion; readonly rows: readonly LabelledRow[] } {
    const prediction = this.#byModel.get(model)?.get(id);
    if (!prediction) {
      throw new AppError(
        'prediction_unknown',
        `Cannot accept the label: the agent remembers no answer "${id}" of "${model}".`,
      );
    }
    if (prediction.labelled) {
      throw new AppError(
        'label_known',
        `Cannot accept the label: the answer "${id}" of "${model}" already has a label.`,
      );
    }
    const labels = Array.isArray(label) ? (label as readonly GivenLabel[]) : [label as GivenLabel];
    const { version, rows: predictions, confidences } = prediction;
    if (labels.length !== predictions.length) {
      refuse(`the answer has ${predictions.length} rows, and the request has ${labels.length} labels`);
    }
    const terms = termsOf(version.manifest, version.manifest.label!);
    const rows = predictions.map((predicted, row) => ({
      predicted,
      actual: actualLabel(terms, labels[row]!),
      ...(confidences?.[row] !== undefined && { confidence: confidences[row] }),
    }));
    prediction.labelled = true;
    return { version, rows };
  }
}

function termsOf({ interface: { classes } }: ModelManifest, label: LabelRule): LabelTerms {
  return { label, classes };
}

function refuse(why: string): never {
  throw new AppError('label_invalid', `Cannot accept the label: ${why}.`);
}
