/**
 * The values of one feature in one tensor. Rows follow the tensor's shape: a column of the last axis gives one value for
 * each position before it ([N, F] and [N, T, F] give N and N·T), a summary one value for each entry of the first axis.
 * A tensor of one dimension is N rows of one column. Strings come from BYTES tensors alone.
 */

import type { Datatype, Tensor } from '../inference/tensor.ts';
import type { FeatureSource } from '../manifest/reference-profile.ts';

const WIDTHS: Readonly<Record<Exclude<Datatype, 'BYTES'>, number>> = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  UINT32: 4,
  INT32: 4,
  FP32: 4,
  UINT64: 8,
  INT64: 8,
  FP64: 8,
};

/** Values of the feature, one a row; NaN where the tensor does not hold the column or summary asked for. */
export function featureValues(source: FeatureSource, tensor: Tensor): readonly (number | string)[] {
  const { shape } = tensor;
  const columns = shape.length >= 2 ? shape.at(-1)! : 1;
  if ('column' in source) {
    const rows = shape.length >= 2 ? product(shape.slice(0, -1)) : (shape[0] ?? 1);
    if (source.column >= columns) return new Array<number>(rows).fill(Number.NaN);
    if (tensor.datatype === 'BYTES') return columnOfStrings(tensor.data, rows, columns, source.column);
    const read = elementReader(tensor.datatype, tensor.data, rows * columns);
    if (read === undefined) return new Array<number>(rows).fill(Number.NaN);
    const values = new Array<number>(rows);
    for (let row = 0; row < rows; row += 1) values[row] = read(row * columns + source.column);
    return values;
  }
  const samples = shape[0] ?? 1;
  const size = product(shape.slice(1));
  const read =
    tensor.datatype === 'BYTES' ? undefined : elementReader(tensor.datatype, tensor.data, samples * size);
  if (read === undefined || size === 0) return new Array<number>(samples).fill(Number.NaN);
  const values = new Array<number>(samples);
  for (let sample = 0; sample < samples; sample += 1) {
    values[sample] = summarize(source.summary, read, sample * size, size);
  }
  return values;
}

type Summary = Extract<FeatureSource, { summary: unknown }>['summary'];

/** NaN elements make the summary NaN. Standard deviation is that of the population, by Welford's method. */
function summarize(summary: Summary, read: (at: number) => number, from: number, size: number): number {
  let mean = 0;
  let squares = 0;
  let best = read(from);
  let bestAt = 0;
  for (let i = 0; i < size; i += 1) {
    const value = read(from + i);
    if (Number.isNaN(value)) return Number.NaN;
    if (summary === 'mean' || summary === 'stddev') {
      const distance = value - mean;
      mean += distance / (i + 1);
      squares += distance * (value - mean);
    } else if (summary === 'min' ? value < best : value > best) {
      best = value;
      bestAt = i;
    }
  }
  switch (summary) {
    case 'mean':
      return mean;
    case 'stddev':
      return Math.sqrt(squares / size);
    case 'argmax':
      return bestAt;
    default:
      return best;
  }
}

/** Reads element i as a number (64-bit integers to the nearest one); undefined when the bytes are too few. */
function elementReader(
  datatype: Exclude<Datatype, 'BYTES'>,
  data: Uint8Array,
  elements: number,
): ((at: number) => number) | undefined {
  if (data.byteLength < elements * WIDTHS[datatype]) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (datatype) {
    case 'BOOL':
      return (at) => (data[at] === 0 ? 0 : 1);
    case 'UINT8':
      return (at) => data[at]!;
    case 'INT8':
      return (at) => view.getInt8(at);
    case 'UINT16':
      return (at) => view.getUint16(at * 2, true);
    case 'INT16':
      return (at) => view.getInt16(at * 2, true);
    case 'FP16':
      return (at) => halfToNumber(view.getUint16(at * 2, true));
    case 'UINT32':
      return (at) => view.getUint32(at * 4, true);
    case 'INT32':
      return (at) => view.getInt32(at * 4, true);
    case 'FP32':
      return (at) => view.getFloat32(at * 4, true);
    case 'UINT64':
      return (at) => Number(view.getBigUint64(at * 8, true));
    case 'INT64':
      return (at) => Number(view.getBigInt64(at * 8, true));
    case 'FP64':
      return (at) => view.getFloat64(at * 8, true);
  }
}

/** IEEE 754 binary16 bits as a number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function columnOfStrings(
  data: Uint8Array,
  rows: number,
  columns: number,
  column: number,
): (number | string)[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Array<number | string>(rows).fill(Number.NaN);
  let at = 0;
  for (let i = 0; i < rows * columns && at + 4 <= data.byteLength; i += 1) {
    const length = view.getUint32(at, true);
    at += 4;
    if (length > data.byteLength - at) break;
    if (i % columns === column) {
      values[(i - column) / columns] = new TextDecoder().decode(data.subarray(at, at + length));
    }
    at += length;
  }
  return values;
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
