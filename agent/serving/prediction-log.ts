/** Joins labels to the answers that they are for, however late they come. A label is taken once. */
import type { LimitedLog } from '../../platform/limited-log.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { LabelRule } from '../../shared/manifest/model-manifest.ts';
import type { LabelledRow } from '../../shared/telemetry/label-figures.ts';
import {
  actualLabel,
  type Label,
  type LabelTerms,
  predictedConfidences,
  predictedLabels,
} from '../../shared/telemetry/label-reading.ts';
import type { CountedVersion } from '../telemetry/observation.ts';
import type { PredictionStore } from '../telemetry/prediction-store.ts';

/** A label as it is sent. */
export type GivenLabel = Label | boolean;

export class PredictionLog {
  readonly #store: PredictionStore;
  readonly #log: LimitedLog;

  constructor(store: PredictionStore, log: LimitedLog) {
    this.#store = store;
    this.#log = log;
  }

  /**
   * Keeps an answer; never fails. Does nothing for a version without a label rule, or an answer of more rows than are
   * kept.
   */
  keep(id: string, version: CountedVersion, outputs: readonly Tensor[]): void {
    const { label } = version.manifest;
    const output = outputs.find((tensor) => tensor.name === label?.output);
    if (!label || !output || (output.shape[0] ?? 1) > limits.rowsPerPredictionMax) return;
    try {
      const terms = termsOf(version, label);
      const rows = predictedLabels(terms, output);
      this.#store.keep(version, { id, rows, confidences: predictedConfidences(terms, output) });
    } catch (error) {
      const { model, version: name } = version;
      this.#log.warn(model, { model, version: name, err: error }, 'an answer could not be kept for a label');
    }
  }

  /**
   * Pairs a label (or one label a row) with what was predicted. Throws `prediction_unknown`, `label_known` or
   * `label_invalid`; then nothing was taken.
   */
  async label(
    model: string,
    id: string,
    label: GivenLabel | readonly GivenLabel[],
  ): Promise<{ readonly version: CountedVersion; readonly rows: readonly LabelledRow[] }> {
    const prediction = await this.#store.find(model, id);
    if (!prediction) throw unknown(model, id, this.#store.since);
    // From here on nothing is waited for, so that of two labels at once one comes second.
    if (this.#store.isLabelled(prediction)) {
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
    const terms = termsOf(version, version.manifest.label!);
    const rows = predictions.map((predicted, row) => ({
      predicted,
      actual: actualLabel(terms, labels[row]!),
      ...(confidences?.[row] !== undefined && { confidence: confidences[row] }),
    }));
    this.#store.setLabelled(prediction);
    return { version, rows };
  }
}

function termsOf({ manifest }: CountedVersion, label: LabelRule): LabelTerms {
  return { label, classes: manifest.interface.classes };
}

function unknown(model: string, id: string, since: number | undefined): AppError {
  const oldest =
    since === undefined
      ? 'No answers are stored.'
      : `The oldest that is stored was given at ${new Date(since).toISOString()}.`;
  return new AppError(
    'prediction_unknown',
    `Cannot accept the label: no answer "${id}" of "${model}" is stored. ${oldest}`,
  );
}

function refuse(why: string): never {
  throw new AppError('label_invalid', `Cannot accept the label: ${why}.`);
}
