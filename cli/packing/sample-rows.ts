/**
 * The rows of a sample as input tensors of a model: from CSV columns, NPY arrays and constant fills, checked against the
 * inputs the model declares.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { showShape } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import { elementCount, encodeNumbers } from '../../shared/inference/tensor-values.ts';
import { CsvTable } from './csv-table.ts';
import type { SampleSource } from './model-yaml.ts';
import { readNamedFile } from './named-file.ts';
import { type NpyArray, parseNpy } from './npy-array.ts';

export interface SampleRowsOptions {
  /** Folder that file names are relative to. */
  readonly folder: string;
  readonly source: SampleSource;
  readonly inputs: readonly TensorSpec[];
  /** Column names by input; the CSV columns of an input where `source.columns` names none. */
  readonly features: Readonly<Record<string, readonly string[]>>;
}

interface RowInput {
  readonly spec: TensorSpec;
  /** Rows it has; undefined for a fill, which has as many as are wanted. */
  readonly rows: number | undefined;
  readonly columnNames: readonly string[] | undefined;
  /** Shape of a tensor of `count` rows. */
  readonly shapeOf: (count: number) => readonly number[];
  readonly write: (row: number, to: Float64Array, at: number) => void;
  readonly elements: number;
}

export class SampleRows {
  readonly count: number;
  readonly table: CsvTable | undefined;
  readonly #inputs: readonly RowInput[];

  private constructor(inputs: readonly RowInput[], table: CsvTable | undefined) {
    const counts = inputs.flatMap((input) => input.rows ?? []);
    if (counts.length === 0) {
      throw new AppError(
        'sample_invalid',
        'Cannot read the sample: every input is a fill, so it has no rows.',
      );
    }
    if (counts.some((count) => count !== counts[0])) {
      const found = inputs.map((i) => `"${i.spec.name}" ${i.rows ?? 'any'}`).join(', ');
      throw new AppError('sample_invalid', `Cannot read the sample: its inputs differ in rows: ${found}.`);
    }
    this.count = counts[0]!;
    this.table = table;
    this.#inputs = inputs;
  }

  /** Reads the files of a source. Throws `pack_file_missing`, `sample_invalid`, `interface_mismatch` or `too_large`. */
  static async load({ folder, source, inputs, features }: SampleRowsOptions): Promise<SampleRows> {
    checkNames(source, inputs);
    const table =
      source.file === undefined
        ? undefined
        : CsvTable.parse(await readNamedFile(folder, source.file), `"${source.file}"`, source);
    const rowInputs: RowInput[] = [];
    for (const spec of inputs) {
      const fill = ownValue(source.fill, spec.name);
      const file = ownValue(source.arrays, spec.name);
      if (fill) rowInputs.push(filledInput(spec, fill));
      else if (file) {
        rowInputs.push(arrayInput(spec, parseNpy(await readNamedFile(folder, file), `"${file}"`), file));
      } else
        rowInputs.push(
          columnInput(spec, columnsOf(spec, { table, source, features, folder, inputs }), table!),
        );
    }
    return new SampleRows(rowInputs, table);
  }

  /** Whether several rows may go into one run. */
  get batchable(): boolean {
    return this.#inputs.every(({ rows, spec }) => rows !== undefined && spec.shape[0] === -1);
  }

  /** Names of the columns of an input's tensor, where they came from a CSV file. */
  columnNames(input: string): readonly string[] | undefined {
    return this.#inputs.find(({ spec }) => spec.name === input)?.columnNames;
  }

  /** Inputs whose values are a property of the sample; fills are not. */
  get varyingInputs(): readonly string[] {
    return this.#inputs.filter(({ rows }) => rows !== undefined).map(({ spec }) => spec.name);
  }

  /** Whether a row has a value in every place. */
  isComplete(row: number): boolean {
    return this.#inputs.every((input) => {
      const values = new Float64Array(input.elements);
      input.write(row, values, 0);
      return !values.some(Number.isNaN);
    });
  }

  /** The inputs of one run over `rows` (one row where the model takes no batch). A missing value is NaN. */
  tensors(rows: readonly number[]): Tensor[] {
    return this.#inputs.map((input) => {
      const values = new Float64Array(input.elements * rows.length);
      for (const [i, row] of rows.entries()) input.write(row, values, i * input.elements);
      const { name, datatype } = input.spec;
      if (!datatype.startsWith('FP') && values.some((value) => !Number.isInteger(value))) {
        throw new AppError(
          'sample_invalid',
          `Cannot read the sample: input "${name}" is ${datatype}, row ${rows[0]! + 1} or one after it holds no whole number.`,
        );
      }
      return { name, datatype, shape: input.shapeOf(rows.length), data: encodeNumbers(datatype, values) };
    });
  }
}

function columnsOf(
  spec: TensorSpec,
  { table, source, features, inputs }: SampleRowsOptions & { readonly table: CsvTable | undefined },
): readonly string[] {
  if (table === undefined) {
    throw mismatch(
      `input "${spec.name}" has no values: name its CSV columns under "columns", an NPY file under "arrays", or a constant under "fill"`,
    );
  }
  const named = ownValue(source.columns, spec.name) ?? ownValue(features, spec.name);
  if (named) return named;
  if (table.columns.includes(spec.name)) return [spec.name];
  throw mismatch(
    `input "${spec.name}" ${spec.datatype} ${showShape(spec.shape)} has no columns: list them under "sample.columns.${spec.name}" or "features.${spec.name}"${inputs.length > 1 ? ', or give it a "fill"' : ''}`,
  );
}

function columnInput(spec: TensorSpec, columns: readonly string[], table: CsvTable): RowInput {
  table.requireColumns(columns);
  const shape = rowShape(spec, columns.length, `${columns.length} columns`);
  const values = columns.map((column) => table.numbers(column));
  return {
    spec,
    rows: table.rows,
    columnNames: columns,
    elements: columns.length,
    shapeOf: batchShape(spec, shape),
    write(row, to, at) {
      for (const [i, column] of values.entries()) to[at + i] = column[row]!;
    },
  };
}

function arrayInput(spec: TensorSpec, array: NpyArray, file: string): RowInput {
  const [rows, ...rest] = array.shape;
  if (rows === undefined || rows < 1 || rows > limits.sampleRowsMax) {
    throw new AppError(
      'sample_invalid',
      `Cannot read "${file}": shape (${array.shape}) has no rows along its first axis, or too many.`,
    );
  }
  const elements = elementCount(rest);
  const shape = rowShape(spec, elements, `"${file}" with shape (${array.shape})`, rest);
  return {
    spec,
    rows,
    columnNames: undefined,
    elements,
    shapeOf: batchShape(spec, shape),
    write: (row, to, at) => to.set(array.values.subarray(row * elements, (row + 1) * elements), at),
  };
}

function filledInput(
  spec: TensorSpec,
  fill: { readonly value: number; readonly shape?: readonly number[] },
): RowInput {
  const shape = fill.shape ?? spec.shape;
  if (shape.includes(-1)) {
    throw mismatch(`fill of "${spec.name}" wants a "shape": the model declares ${showShape(spec.shape)}`);
  }
  const fits = shape.length === spec.shape.length && spec.shape.every((d, i) => d === -1 || d === shape[i]);
  if (!fits)
    throw mismatch(
      `fill of "${spec.name}" has shape ${showShape(shape)}, the model ${showShape(spec.shape)}`,
    );
  const elements = elementCount(shape);
  return {
    spec,
    rows: undefined,
    columnNames: undefined,
    elements,
    shapeOf: () => shape,
    write: (_row, to, at) => to.fill(fill.value, at, at + elements),
  };
}

/** True when the first axis counts rows, so that a row is what is left of the shape. */
function hasRowAxis({ shape }: TensorSpec): boolean {
  return shape[0] === -1 || (shape.length > 1 && shape[0] === 1);
}

/** Shape of one row, with the places the model leaves open taken from the data. */
function rowShape(
  spec: TensorSpec,
  elements: number,
  what: string,
  known?: readonly number[],
): readonly number[] {
  const declared = hasRowAxis(spec) ? spec.shape.slice(1) : spec.shape;
  const refuse = () =>
    mismatch(
      `input "${spec.name}" is ${spec.datatype} ${showShape(spec.shape)}, which one row of ${what} does not fill`,
    );
  if (known && known.length === declared.length) {
    if (!declared.every((size, i) => size === -1 || size === known[i])) throw refuse();
    return known;
  }
  const open = declared.filter((size) => size === -1).length;
  const fixed = elementCount(declared.filter((size) => size !== -1));
  if (open > 1 || (open === 0 ? fixed !== elements : elements % fixed !== 0)) throw refuse();
  return declared.map((size) => (size === -1 ? elements / fixed : size));
}

function batchShape(spec: TensorSpec, row: readonly number[]): (count: number) => readonly number[] {
  return hasRowAxis(spec) ? (count) => [count, ...row] : () => row;
}

function checkNames(source: SampleSource, inputs: readonly TensorSpec[]): void {
  const known = inputs.map((spec) => spec.name);
  for (const field of ['columns', 'arrays', 'fill'] as const) {
    const unknown = Object.keys(source[field] ?? {}).find((name) => !known.includes(name));
    if (unknown === undefined) continue;
    throw mismatch(
      `"${field}" names input "${unknown}", the model has ${known.map((n) => `"${n}"`).join(', ')}`,
    );
  }
}

function mismatch(reason: string): AppError {
  return new AppError('interface_mismatch', `Cannot fit the sample to the model: ${reason}.`);
}
