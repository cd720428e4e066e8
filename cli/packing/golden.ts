/**
 * Golden samples: a few inputs and the outputs that are right for them. Outputs are those of the model where it is
 * packed, except where the publisher gives what is expected; then the model is held to that.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import {
  compareOutputs,
  describeMismatch,
  type OutputMismatch,
} from '../../shared/inference/compare-outputs.ts';
import { wantedElement } from '../../shared/inference/element-range.ts';
import { quoteText } from '../../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../../shared/inference/tensor.ts';
import { elementCount } from '../../shared/inference/tensor-values.ts';
import type { GoldenFile } from '../../shared/manifest/golden-file.ts';
import type { Tolerance } from '../../shared/manifest/model-manifest.ts';
import type { CsvTable } from './csv-table.ts';
import { type ElementValue, encodeElements, fitsDatatype } from './element-value.ts';
import type { GoldenSource } from './model-yaml.ts';
import { readNamedFile } from './named-file.ts';
import { parseNpy } from './npy-array.ts';
import type { SampleRows } from './sample-rows.ts';

export interface GoldenSample {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Runs a model once over the given inputs. */
export type Infer = (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;

/** `count` of the rows that can be run, spread evenly; all of them where there are fewer. Throws `sample_invalid` where there is none. */
export function spreadRows(sample: SampleRows, count: number): number[] {
  const rows = sample.runnableRows();
  if (rows.length === 0) {
    const dead = sample.deadColumns.map((column) => quoteText(column));
    const why =
      dead.length > 0
        ? `; ${dead.slice(0, 10).join(', ')} ${dead.length === 1 ? 'has' : 'have'} none in any row`
        : '';
    throw new AppError(
      'sample_invalid',
      `Cannot make golden samples: no row of the sample has all its values${why}. Give "golden" a "file" or "arrays" of its own.`,
    );
  }
  const taken = Math.min(count, rows.length);
  return Array.from({ length: taken }, (_, i) => rows[Math.floor(((i + 0.5) * rows.length) / taken)]!);
}

/** Runs the model on each row. `expected` gives, for a row, the outputs that are known to be right; others are the model's own. */
export async function makeGolden(
  rows: SampleRows,
  picked: readonly number[],
  { infer, expected }: { readonly infer: Infer; readonly expected: ExpectedOutputs },
): Promise<{ readonly samples: GoldenSample[]; readonly computed: (readonly Tensor[])[] }> {
  const samples: GoldenSample[] = [];
  const computed: (readonly Tensor[])[] = [];
  for (const row of picked) {
    const inputs = rows.tensors([row]);
    const outputs = await infer(inputs);
    computed.push(outputs);
    samples.push({ inputs, outputs: outputs.map((output) => expected(row, output) ?? output) });
  }
  return { samples, computed };
}

/** What a row's output should be, shaped like the model's `output`; undefined when nothing is known of it. */
export type ExpectedOutputs = (row: number, output: Tensor) => Tensor | undefined;

/** Reads expected outputs from the golden CSV's columns or NPY files. Throws `sample_invalid` or `interface_mismatch`. */
export async function loadExpected(
  folder: string,
  source: GoldenSource,
  rows: SampleRows,
): Promise<ExpectedOutputs> {
  const readers = new Map<string, (row: number, datatype: Datatype) => readonly ElementValue[]>();
  for (const [output, from] of Object.entries(source.expected ?? {})) {
    if (typeof from === 'string') {
      const { shape, values } = parseNpy(await readNamedFile(folder, from), `"${from}"`);
      const width = elementCount(shape.slice(1));
      if (shape[0] !== rows.count) {
        throw new AppError(
          'sample_invalid',
          `Cannot read "${from}": it has ${shape[0] ?? 0} rows, the golden samples have ${rows.count}.`,
        );
      }
      readers.set(output, (row) => Array.from({ length: width }, (_, i) => values[row * width + i]!));
    } else {
      const { table } = rows;
      if (table === undefined) {
        throw new AppError(
          'sample_invalid',
          `Cannot read expected "${output}": its columns need a "golden.file".`,
        );
      }
      table.requireColumns(from);
      readers.set(output, (row, datatype) =>
        from.map((column) => expectedCell(table, column, row, datatype)),
      );
    }
  }
  return (row, output) => {
    const values = readers.get(output.name)?.(row, output.datatype);
    if (values === undefined) return undefined;
    const refuse = (reason: string) =>
      new AppError(
        'interface_mismatch',
        `Cannot read expected "${output.name}" of row ${row + 1}: ${reason}.`,
      );
    if (values.length !== elementCount(output.shape)) {
      throw refuse(`${values.length} values a row, the model gives ${elementCount(output.shape)}`);
    }
    const wrong = values.find((value) => !fitsDatatype(output.datatype, value));
    if (wrong !== undefined)
      throw refuse(`${wrong} where the output wants ${wantedElement(output.datatype)}`);
    return { ...output, data: encodeElements(output.datatype, values) };
  };
}

function expectedCell(table: CsvTable, column: string, row: number, datatype: Datatype): ElementValue {
  const value = table.elements(column, datatype)[row];
  if (value !== undefined && !Number.isNaN(value)) return value;
  throw new AppError(
    'sample_invalid',
    `Cannot read the golden samples: row ${row + 1} has no expected value in column "${column}".`,
  );
}

/** Throws `golden_mismatch`, quoting the worst of the samples whose computed outputs are not the golden ones. */
export function checkGolden(
  file: string,
  samples: readonly GoldenSample[],
  computed: readonly (readonly Tensor[])[],
  tolerances: Readonly<Record<string, Tolerance>>,
): void {
  const faults = samples.flatMap(({ outputs: want }, sample) => {
    const mismatch = compareOutputs({ got: computed[sample]!, want, tolerances });
    return mismatch ? [{ sample, mismatch }] : [];
  });
  if (faults.length === 0) return;
  const worst = faults.reduce((a, b) => (distance(b.mismatch) > distance(a.mismatch) ? b : a));
  throw new AppError(
    'golden_mismatch',
    `Cannot pack "${file}": ${faults.length} of ${samples.length} golden samples are wrong; worst is sample ${worst.sample + 1}, ${describeMismatch(worst.mismatch)}.`,
    { details: { wrong: faults.length, samples: samples.length, ...worst.mismatch } },
  );
}

/** The bytes of `golden.json`. Throws `too_large`. */
export function encodeGolden(samples: readonly GoldenSample[]): Uint8Array {
  const encode = (tensor: Tensor) => ({
    name: tensor.name,
    datatype: tensor.datatype,
    shape: [...tensor.shape],
    data: Buffer.from(tensor.data).toString('base64'),
  });
  const file: GoldenFile = {
    v: 1,
    samples: samples.map(({ inputs, outputs }) => ({
      inputs: inputs.map(encode),
      outputs: outputs.map(encode),
    })),
  };
  const bytes = Buffer.from(JSON.stringify(file));
  if (bytes.byteLength > limits.goldenFileBytesMax) {
    throw new AppError(
      'too_large',
      `Cannot pack: the golden samples take ${bytes.byteLength} bytes, at most ${limits.goldenFileBytesMax} are allowed. Take fewer rows.`,
    );
  }
  return bytes;
}

/** What an answer may differ by where model.yaml does not say: rounding of the datatype, nothing for whole numbers. */
export function defaultTolerance({ datatype }: Pick<Tensor, 'datatype'>): Tolerance {
  switch (datatype) {
    case 'FP16':
      return { absolute: 1e-2, relative: 1e-2 };
    case 'FP32':
      return { absolute: 1e-4, relative: 1e-3 };
    case 'FP64':
      return { absolute: 1e-6, relative: 1e-6 };
    default:
      return { absolute: 0, relative: 0 };
  }
}

function distance({ got, want }: OutputMismatch): number {
  const difference = Math.abs(Number(got) - Number(want));
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}
