/**
 * The rows of a sample as input tensors of a model: from CSV columns, NPY arrays and constant fills, checked against the
 * inputs the model declares.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { isReal, wantedElement } from '../../shared/inference/element-range.ts';
import {
  quoteText,
  showShape,
  type TensorValues,
  tensorValues,
} from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import { CsvTable } from './csv-table.ts';
import { type ElementValue, encodeElements, fitsDatatype } from './element-value.ts';
import type { SampleSource } from './model-yaml.ts';
import { readNamedFile } from './named-file.ts';
import { parseNpy } from './npy-array.ts';
import { arrayInput, columnInput, filledInput, mismatch, type RowInput } from './row-input.ts';

export interface SampleRowsOptions {
  /** Folder that file names are relative to. */
  readonly folder: string;
  readonly source: SampleSource;
  readonly inputs: readonly TensorSpec[];
  /** Column names by input; the CSV columns of an input where `source.columns` names none. */
  readonly features: Readonly<Record<string, readonly string[]>>;
}

/** Rows of one input as a profile sees them. */
export interface ObservedTensor extends Tensor {
  /** The tensor's elements, NaN where a value is missing: whole numbers and texts have no such element in `data`. */
  readonly elements: TensorValues;
}

export class SampleRows {
  readonly count: number;
  readonly table: CsvTable | undefined;
  readonly #inputs: readonly RowInput[];
  readonly #sequenceOf: (row: number) => number;

  private constructor(
    inputs: readonly RowInput[],
    table: CsvTable | undefined,
    sequence: SampleSource['sequence'],
  ) {
    const counts = inputs.flatMap((input) => input.rows ?? []);
    if (counts.some((count) => count !== counts[0])) {
      const found = inputs.map((i) => `"${i.spec.name}" ${i.rows ?? 'any'}`).join(', ');
      throw new AppError(
        'sample_invalid',
        `Cannot read the sample: its inputs have different numbers of rows: ${found}.`,
      );
    }
    // A model without inputs, or whose every input is a fill, has one way to be run.
    this.count = counts[0] ?? table?.rows ?? 1;
    this.table = table;
    this.#inputs = inputs;
    this.#sequenceOf = sequences(sequence, table);
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
    return new SampleRows(rowInputs, table, source.sequence);
  }

  /** Number of the sequence that a row is a step of; rows that follow each other with the same number are one. */
  sequenceOf(row: number): number {
    return this.#sequenceOf(row);
  }

  /** Whether several rows may go into one run. */
  get batchable(): boolean {
    return (
      this.#inputs.length > 0 &&
      this.#inputs.every(({ rows, spec }) => rows !== undefined && spec.shape[0] === -1)
    );
  }

  /** Names of the columns of an input's tensor, where they came from a CSV file. */
  columnNames(input: string): readonly string[] | undefined {
    return this.#inputs.find(({ spec }) => spec.name === input)?.columnNames;
  }

  /** Inputs whose values are a property of the sample; fills are not. */
  get varyingInputs(): readonly string[] {
    return this.#inputs.filter(({ rows }) => rows !== undefined).map(({ spec }) => spec.name);
  }

  /**
   * The rows that have a value in every place, less the places that have one in no row: a dead column of a floating-point
   * input is NaN here as it is on a device, and does not keep its rows from being run.
   */
  runnableRows(): number[] {
    const rows = Array.from({ length: this.count }, (_, row) => row);
    const needed = this.#inputs.flatMap((input) =>
      placesOf(input)
        .filter((i) => !isReal(input.spec.datatype) || !isDead(input, i))
        .map((i) => ({ at: input.at, i })),
    );
    return rows.filter((row) => needed.every(({ at, i }) => !isMissing(at(row, i))));
  }

  /** Columns (or inputs) without a value in any row. */
  get deadColumns(): readonly string[] {
    return this.#inputs.flatMap((input) =>
      placesOf(input)
        .filter((i) => isDead(input, i))
        .map((i) => input.columnNames?.[i] ?? input.spec.name),
    );
  }

  /**
   * The inputs of one run over `rows` (one row where the model takes no batch). A missing value is NaN. Throws
   * `sample_invalid`, with the value and its place, for what the input's datatype cannot hold, a missing value of whole
   * numbers or texts included.
   */
  tensors(rows: readonly number[]): Tensor[] {
    return this.#inputs.map((input) => {
      const { datatype } = input.spec;
      const values = valuesOf(input, rows);
      const at = isReal(datatype) ? -1 : values.findIndex(isMissing);
      if (at === -1) return tensorOf(input, rows, values);
      const row = rows[Math.floor(at / input.elements)]!;
      throw new AppError(
        'sample_invalid',
        `Cannot run the sample: ${input.where(row, at % input.elements)} has no value, and ${datatype} cannot represent a missing value.`,
      );
    });
  }

  /** The inputs over `rows`, whose missing values are no reason to refuse them. */
  observed(rows: readonly number[]): ObservedTensor[] {
    return this.#inputs.map((input) => {
      const values = valuesOf(input, rows);
      const { datatype } = input.spec;
      if (isReal(datatype) || !values.some(isMissing)) {
        const tensor = tensorOf(input, rows, values);
        return { ...tensor, elements: tensorValues(tensor) };
      }
      const blank = datatype === 'BYTES' ? '' : 0;
      const tensor = tensorOf(
        input,
        rows,
        values.map((value) => (isMissing(value) ? blank : value)),
      );
      const elements = values.map((value) => (isMissing(value) ? Number.NaN : value)) as unknown;
      return { ...tensor, elements: elements as TensorValues };
    });
  }
}

function sequences(sequence: SampleSource['sequence'], table: CsvTable | undefined): (row: number) => number {
  if (sequence === undefined) return () => 0;
  if (typeof sequence === 'number') return (row) => Math.floor(row / sequence);
  if (table === undefined) {
    throw mismatch(`"sequence" names column "${sequence}", which needs a CSV "file"; give a number of rows`);
  }
  const marks = table.elements(sequence, 'BYTES');
  const numbers: number[] = [];
  for (let row = 0; row < table.rows; row += 1) {
    const before = numbers.at(-1) ?? 0;
    numbers.push(row > 0 && marks[row] !== marks[row - 1] ? before + 1 : before);
  }
  return (row) => numbers[row]!;
}

function placesOf({ elements }: RowInput): readonly number[] {
  return Array.from({ length: elements }, (_, i) => i);
}

/** Whether a place of an input's row has a value in no row. */
function isDead({ at, rows = 1 }: RowInput, i: number): boolean {
  for (let row = 0; row < rows; row += 1) if (!isMissing(at(row, i))) return false;
  return true;
}

function isMissing(value: ElementValue | undefined): value is undefined {
  return value === undefined || Number.isNaN(value);
}

function valuesOf(input: RowInput, rows: readonly number[]): (ElementValue | undefined)[] {
  const values = new Array<ElementValue | undefined>(rows.length * input.elements);
  let to = 0;
  for (const row of rows) {
    for (let i = 0; i < input.elements; i += 1) {
      const value = input.at(row, i);
      if (!isMissing(value) && !fitsDatatype(input.spec.datatype, value)) {
        const shown = typeof value === 'string' ? quoteText(value) : value;
        throw new AppError(
          'sample_invalid',
          `Cannot read the sample: ${input.where(row, i)} is ${shown}, and input "${input.spec.name}" needs ${wantedElement(input.spec.datatype)}.`,
        );
      }
      values[to] = value;
      to += 1;
    }
  }
  return values;
}

function tensorOf(
  { spec: { name, datatype }, shapeOf }: RowInput,
  rows: readonly number[],
  values: readonly (ElementValue | undefined)[],
): Tensor {
  const data = encodeElements(
    datatype,
    values.map((value) => value ?? Number.NaN),
  );
  return { name, datatype, shape: shapeOf(rows.length), data };
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
  if (table.columns.includes(spec.name.normalize('NFC'))) return [spec.name];
  throw mismatch(
    `input "${spec.name}" ${spec.datatype} ${showShape(spec.shape)} has no columns: list them under "sample.columns.${spec.name}" or "features.${spec.name}"${inputs.length > 1 ? ', or give it a "fill"' : ''}`,
  );
}

function checkNames(source: SampleSource, inputs: readonly TensorSpec[]): void {
  const known = inputs.map((spec) => spec.name);
  for (const field of ['columns', 'arrays', 'fill'] as const) {
    const unknown = Object.keys(source[field] ?? {}).find((name) => !known.includes(name));
    if (unknown === undefined) continue;
    throw mismatch(
      `"${field}" names input "${unknown}", but the model has ${known.map((n) => `"${n}"`).join(', ')}`,
    );
  }
}
