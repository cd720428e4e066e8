/** Where the values of one input of a model come from, row by row: CSV columns, an NPY array, or one value for all. */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { wantedElement } from '../../shared/inference/element-range.ts';
import { inputTextFault, quoteText, showShape } from '../../shared/inference/exact-values.ts';
import type { TensorSpec } from '../../shared/inference/tensor.ts';
import { elementCount } from '../../shared/inference/tensor-values.ts';
import type { CsvTable } from './csv-table.ts';
import { type ElementValue, readCell } from './element-value.ts';
import type { NpyArray } from './npy-array.ts';

export interface RowInput {
  readonly spec: TensorSpec;
  /** Rows it has; undefined for a fill, which has as many as are wanted. */
  readonly rows: number | undefined;
  readonly columnNames: readonly string[] | undefined;
  /** Shape of a tensor of `count` rows. */
  readonly shapeOf: (count: number) => readonly number[];
  /** Elements of a row. */
  readonly elements: number;
  /** An element of a row; undefined or NaN where the value is missing. */
  readonly at: (row: number, element: number) => ElementValue | undefined;
  /** Names an element for messages. */
  readonly where: (row: number, element: number) => string;
}

export function columnInput(spec: TensorSpec, columns: readonly string[], table: CsvTable): RowInput {
  table.requireColumns(columns);
  const shape = rowShape(spec, columns.length, `${columns.length} columns`);
  const values = columns.map((column) => table.elements(column, spec.datatype));
  return {
    spec,
    rows: table.rows,
    columnNames: columns.map((column) => column.normalize('NFC')),
    elements: columns.length,
    shapeOf: batchShape(spec, shape),
    at: (row, element) => values[element]![row],
    where: (row, element) => `row ${row + 1}, column "${columns[element]}"`,
  };
}

export function arrayInput(spec: TensorSpec, array: NpyArray, file: string): RowInput {
  const [rows, ...rest] = array.shape;
  if (rows === undefined || rows < 1 || rows > limits.sampleRowsMax) {
    throw new AppError(
      'sample_invalid',
      `Cannot read "${file}": its shape (${array.shape}) must have 1 to ${limits.sampleRowsMax} rows along the first axis.`,
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
    at: (row, element) => array.values[row * elements + element],
    where: (row, element) => `"${file}", row ${row + 1}, element ${element}`,
  };
}

export interface Fill {
  readonly value: number | string | boolean;
  readonly shape?: readonly number[];
}

export function filledInput(spec: TensorSpec, fill: Fill): RowInput {
  const shape = fill.shape ?? spec.shape;
  if (shape.includes(-1)) {
    throw mismatch(`the fill of "${spec.name}" needs a "shape": the model declares ${showShape(spec.shape)}`);
  }
  const fits = shape.length === spec.shape.length && spec.shape.every((d, i) => d === -1 || d === shape[i]);
  if (!fits) {
    throw mismatch(
      `the fill of "${spec.name}" has shape ${showShape(shape)}, but the model declares ${showShape(spec.shape)}`,
    );
  }
  const value = fillValue(spec, fill.value);
  return {
    spec,
    rows: undefined,
    columnNames: undefined,
    elements: elementCount(shape),
    shapeOf: () => shape,
    at: () => value,
    where: () => `the fill of "${spec.name}"`,
  };
}

/** YAML rounds a number beyond 2^53, so that one comes as text. */
function fillValue({ name, datatype }: TensorSpec, given: Fill['value']): ElementValue {
  const rounded = typeof given === 'number' && Number.isInteger(given) && !Number.isSafeInteger(given);
  const value =
    datatype === 'BYTES' && typeof given !== 'string' ? undefined : readCell(String(given), datatype);
  const fault = typeof value === 'string' ? inputTextFault(value) : undefined;
  if (value !== undefined && fault === undefined && !(rounded && datatype.endsWith('INT64'))) return value;
  const why =
    fault ?? (rounded ? 'may have been rounded: write it in quotes' : `expected ${wantedElement(datatype)}`);
  throw mismatch(`the fill of "${name}" is ${quoteText(String(given))}, ${why}`);
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
      `input "${spec.name}" is ${spec.datatype} ${showShape(spec.shape)}, which one row of ${what} does not fit${bakedBatch(spec, elements)}`,
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

/** What to do about a model that was exported for batches of one size. */
export const freeBatch =
  'export the model with an open batch axis (dynamic_axes or dynamic_shapes in torch.onnx.export, None as the first size in tf2onnx and Keras)';

function bakedBatch({ shape }: TensorSpec, elements: number): string {
  const [batch, ...row] = shape;
  if (batch === undefined || batch <= 1 || elementCount(row) !== elements) return '';
  return `: its batch size is fixed at ${batch}; ${freeBatch}`;
}

function batchShape(spec: TensorSpec, row: readonly number[]): (count: number) => readonly number[] {
  return hasRowAxis(spec) ? (count) => [count, ...row] : () => row;
}

export function mismatch(reason: string): AppError {
  return new AppError('interface_mismatch', `Cannot fit the sample to the model: ${reason}.`);
}
