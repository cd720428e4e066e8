/**
 * Golden samples: a few inputs and the outputs that are right for them. Outputs are those of the model where it is
 * packed, except where the publisher gives what is expected; then the model is held to that.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
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
import type { RowRuns } from './row-runs.ts';
import type { SampleRows } from './sample-rows.ts';

/** Rows of the sample where model.yaml asks for no number, and how few where they are large. */
const ROWS_DEFAULT = 8;
const ROWS_MIN = 2;

export interface GoldenSample {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface PickedRows {
  readonly rows: readonly number[];
  readonly remarks: readonly string[];
}

/**
 * The rows that golden samples are made from: all of a source of their own, as they are, for each is there to be judged;
 * of the sample `wanted`, spread evenly, or some eight that do not dwarf the model. Throws `sample_invalid` where there is none
 * and `too_large`.
 */
export async function pickRows(
  rows: SampleRows,
  {
    runs,
    ownRows,
    wanted,
  }: { readonly runs: RowRuns; readonly ownRows: boolean; readonly wanted: number | undefined },
): Promise<PickedRows> {
  if (ownRows) {
    if (rows.count > limits.goldenSamplesMax) {
      throw new AppError(
        'too_large',
        `Cannot pack: there are ${rows.count} golden samples, but at most ${limits.goldenSamplesMax} are allowed.`,
      );
    }
    return { rows: Array.from({ length: rows.count }, (_, row) => row), remarks: [] };
  }
  const runnable = rows.runnableRows();
  if (runnable.length === 0) throw nothingToRun(rows);
  if (wanted !== undefined) return { rows: spread(runnable, wanted), remarks: [] };
  const { inputs, outputs } = await runs.run([runnable[0]!]);
  const bytes = [...inputs, ...outputs].reduce(
    (sum, { data }) => sum + Math.ceil(data.byteLength / 3) * 4,
    0,
  );
  const affordable = Math.max(ROWS_MIN, Math.floor(limits.goldenBytesUnasked / bytes));
  if (affordable >= ROWS_DEFAULT) return { rows: spread(runnable, ROWS_DEFAULT), remarks: [] };
  const picked = spread(runnable, affordable);
  const remark = `a golden sample takes ${formatBytes(bytes)}, so ${picked.length} were chosen and not ${ROWS_DEFAULT}; "golden.rows" asks for more`;
  return { rows: picked, remarks: [remark] };
}

/** `count` of `rows`, spread evenly; all of them where there are fewer. */
function spread(rows: readonly number[], count: number): number[] {
  const taken = Math.min(count, rows.length);
  return Array.from({ length: taken }, (_, i) => rows[Math.floor(((i + 0.5) * rows.length) / taken)]!);
}

function nothingToRun(sample: SampleRows): AppError {
  const dead = sample.deadColumns.slice(0, 10).map((column) => quoteText(column));
  const why =
    dead.length > 0 ? `; ${dead.join(', ')} ${dead.length === 1 ? 'has' : 'have'} none in any row` : '';
  return new AppError(
    'sample_invalid',
    `Cannot make golden samples: no row of the sample has all its values${why}. Give "golden" a "file" or "arrays" of its own.`,
  );
}

/**
 * Runs the model on each of `picked`, and on the rows before them where it has state. `expected` gives, for a row, the
 * outputs that are known to be right; others are the model's own.
 */
export async function makeGolden(
  picked: readonly number[],
  {
    runs,
    sample,
    expected,
  }: { readonly runs: RowRuns; readonly sample: SampleRows; readonly expected: ExpectedOutputs },
): Promise<{ readonly samples: GoldenSample[]; readonly computed: (readonly Tensor[])[] }> {
  const samples: GoldenSample[] = [];
  const computed: (readonly Tensor[])[] = [];
  const wanted = new Set(picked);
  const last = Math.max(...picked);
  const inOrder = () => [...new Set([...sample.runnableRows().filter((row) => row < last), ...picked])];
  const rows = runs.inOrder ? inOrder().sort((a, b) => a - b) : picked;
  for (const row of rows) {
    const { inputs, outputs } = await runs.run([row]);
    if (!wanted.has(row)) continue;
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
          `Cannot read "${from}": it has ${shape[0] ?? 0} rows, but the golden samples have ${rows.count}.`,
        );
      }
      readers.set(output, (row) => Array.from({ length: width }, (_, i) => values[row * width + i]!));
    } else {
      const { table } = rows;
      if (table === undefined) {
        throw new AppError(
          'sample_invalid',
          `Cannot read expected "${output}": expected columns need "golden.file" in model.yaml.`,
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
      throw refuse(
        `it has ${values.length} values per row, but the model gives ${elementCount(output.shape)}`,
      );
    }
    const wrong = values.find((value) => !fitsDatatype(output.datatype, value));
    if (wrong !== undefined) throw refuse(`found ${wrong}, expected ${wantedElement(output.datatype)}`);
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
    `Cannot pack "${file}": ${faults.length} of ${samples.length} golden samples are wrong; the worst is sample ${worst.sample + 1}, ${describeMismatch(worst.mismatch)}.`,
    { details: { wrong: faults.length, samples: samples.length, ...worst.mismatch } },
  );
}

/** Throws `golden_unstable`, naming the output that differed most between two runs over one golden sample. */
export function checkStable(
  file: string,
  {
    computed,
    again,
    tolerances,
  }: {
    readonly computed: readonly (readonly Tensor[])[];
    readonly again: readonly (readonly Tensor[])[];
    readonly tolerances: Readonly<Record<string, Tolerance>>;
  },
): void {
  const faults = computed.flatMap((want, sample) => {
    const mismatch = compareOutputs({ got: again[sample]!, want, tolerances });
    return mismatch ? [{ sample, mismatch }] : [];
  });
  if (faults.length === 0) return;
  const worst = faults.reduce((a, b) => (distance(b.mismatch) > distance(a.mismatch) ? b : a));
  throw new AppError(
    'golden_unstable',
    `Cannot pack "${file}": two runs over golden sample ${worst.sample + 1} differ: ${describeMismatch(worst.mismatch)}. Every device would refuse the version.`,
    { details: { unstable: faults.length, samples: computed.length, ...worst.mismatch } },
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
      `Cannot pack: the golden samples have ${bytes.byteLength} bytes, but at most ${limits.goldenFileBytesMax} are allowed. Use fewer rows.`,
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
