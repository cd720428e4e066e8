/** The labels that a sample carries: what is right for its rows, in a CSV column or an NPY file of their own. */
import { AppError } from '../../shared/base/app-error.ts';
import type { Datatype, TensorSpec } from '../../shared/inference/tensor.ts';
import type { LabelRule } from '../../shared/manifest/model-manifest.ts';
import type { Label } from '../../shared/telemetry/label-reading.ts';
import { type ElementValue, readCell } from './element-value.ts';
import { LabelCheck, type SampleLabels } from './label-check.ts';
import type { SampleSource } from './model-yaml.ts';
import { readNamedFile } from './named-file.ts';
import { parseNpy } from './npy-array.ts';
import type { SampleRows } from './sample-rows.ts';

interface LoadLabelsOptions {
  readonly folder: string;
  readonly source: SampleSource;
  readonly rows: SampleRows;
  readonly label: LabelRule;
  /** Of the output that the labels belong to. */
  readonly datatype: Datatype;
}

/** The check of a label rule against a source, with its labels where it has them. */
export async function loadLabelCheck({
  classes,
  outputs,
  ...options
}: Omit<LoadLabelsOptions, 'datatype'> & {
  readonly classes: readonly string[] | undefined;
  readonly outputs: readonly TensorSpec[];
}): Promise<LabelCheck> {
  const { label } = options;
  const { datatype } = outputs.find((spec) => spec.name === label.output)!;
  return new LabelCheck({ label, classes }, await loadLabels({ ...options, datatype }));
}

/** Undefined where the source names no labels. Throws `sample_invalid` or `pack_file_missing`. */
async function loadLabels(options: LoadLabelsOptions): Promise<SampleLabels | undefined> {
  const { folder, source, rows, label, datatype } = options;
  const from = source.label;
  if (from === undefined) return undefined;
  const isNumber = label.kind === 'regression';
  if (rows.table) {
    const cells = rows.table.elements(from, isNumber ? 'FP64' : 'BYTES');
    return {
      of: (row) => asLabel(cells[row], datatype),
      where: (row) => `row ${row + 1}, column "${from}"`,
    };
  }
  const { shape, values } = parseNpy(await readNamedFile(folder, from), `"${from}"`);
  if (shape[0] !== rows.count || values.length !== rows.count) {
    throw new AppError(
      'sample_invalid',
      `Cannot read "${from}": shape (${shape}) is not one label for each of ${rows.count} rows.`,
    );
  }
  return { of: (row) => asLabel(values[row], datatype), where: (row) => `"${from}", row ${row + 1}` };
}

/** A label as it would be sent: a number where the text is one, unless the model itself gives texts. */
function asLabel(value: ElementValue | undefined, datatype: Datatype): Label | undefined {
  if (value === undefined || Number.isNaN(value)) return undefined;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') return value;
  const text = value.trim();
  const number = datatype === 'BYTES' ? undefined : readCell(text, 'FP64');
  return Number.isSafeInteger(number) ? (number as number) : text;
}
