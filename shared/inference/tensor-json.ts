/**
 * Tensors as Open Inference Protocol JSON: `data` nested like the shape, or flat in row-major order. Whole numbers must
 * survive the way exactly, so INT64 and UINT64 beyond 2^53 and FP16 are refused here; the binary form carries them.
 * JSON has no NaN: a missing value of FP32 or FP64 is `null` both ways, and infinity is written `1e999`.
 */
import { AppError } from '../base/app-error.ts';
import { holdsNumber } from './element-range.ts';
import { encodeStrings, showShape, tensorValues } from './exact-values.ts';
import type { Datatype, Tensor } from './tensor.ts';
import { elementBytes, elementCount } from './tensor-values.ts';

export interface JsonTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

type Writer = (at: number, value: unknown) => boolean;

/** Writes one element and says true, or says false when the value is of another type or out of the datatype's range. */
const writers: Readonly<Record<Exclude<Datatype, 'BYTES' | 'FP16'>, (view: DataView) => Writer>> = {
  BOOL: (view) => (at, value) => {
    if (typeof value !== 'boolean') return false;
    view.setUint8(at, value ? 1 : 0);
    return true;
  },
  UINT8: (view) => integer('UINT8', (at, n) => view.setUint8(at, n)),
  UINT16: (view) => integer('UINT16', (at, n) => view.setUint16(at, n, true)),
  UINT32: (view) => integer('UINT32', (at, n) => view.setUint32(at, n, true)),
  UINT64: (view) => integer('UINT64', (at, n) => view.setBigUint64(at, BigInt(n), true)),
  INT8: (view) => integer('INT8', (at, n) => view.setInt8(at, n)),
  INT16: (view) => integer('INT16', (at, n) => view.setInt16(at, n, true)),
  INT32: (view) => integer('INT32', (at, n) => view.setInt32(at, n, true)),
  INT64: (view) => integer('INT64', (at, n) => view.setBigInt64(at, BigInt(n), true)),
  FP32: (view) => real('FP32', (at, n) => view.setFloat32(at, n, true)),
  FP64: (view) => real('FP64', (at, n) => view.setFloat64(at, n, true)),
};

const ranges: Readonly<Partial<Record<Datatype, string>>> = {
  INT64: 'a whole number within ±(2^53 − 1); larger ones travel exactly in the binary form',
  UINT64: 'a whole number from 0 to 2^53 − 1; larger ones travel exactly in the binary form',
  FP32: 'a number FP32 can hold, or null for a missing value',
  FP64: 'a number, or null for a missing value',
  BOOL: 'true or false',
  BYTES: 'a string',
};

/** Reads a JSON tensor. Throws `tensor_invalid` or, for FP16, `tensor_type_unsupported`. */
export function tensorFromJson({ name, datatype, shape, data }: JsonTensor): Tensor {
  if (datatype === 'FP16') throw binaryOnly(`Cannot read input "${name}"`);
  const values = flatten(name, shape, data);
  if (datatype === 'BYTES') {
    for (const [i, value] of values.entries()) {
      if (typeof value !== 'string') refuseElement(name, datatype, i, value);
    }
    return { name, datatype, shape, data: encodeStrings(values as string[], `Cannot read input "${name}"`) };
  }
  const size = elementBytes(datatype)!;
  const bytes = new Uint8Array(values.length * size);
  const write = writers[datatype](new DataView(bytes.buffer));
  for (let i = 0; i < values.length; i += 1) {
    if (!write(i * size, values[i])) refuseElement(name, datatype, i, values[i]);
  }
  return { name, datatype, shape, data: bytes };
}

/** The tensor's `data` as JSON text, flat. Throws `tensor_type_unsupported` for FP16. */
export function tensorDataToJson(tensor: Tensor): string {
  if (tensor.datatype === 'FP16') throw binaryOnly(`Cannot answer with output "${tensor.name}"`);
  const values = tensorValues(tensor);
  switch (tensor.datatype) {
    case 'INT64':
    case 'UINT64':
      return `[${Array.from(values as ArrayLike<bigint>).join(',')}]`;
    case 'BOOL':
      return `[${Array.from(values as ArrayLike<number>, (value) => value !== 0).join(',')}]`;
    case 'FP32':
    case 'FP64':
      return `[${Array.from(values as ArrayLike<number>, showReal).join(',')}]`;
    default:
      return JSON.stringify(Array.from(values as ArrayLike<number | string>));
  }
}

function showReal(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isNaN(value)) return 'null';
  return value > 0 ? '1e999' : '-1e999';
}

/** Beyond 2^53 − 1 a JSON number may already have been rounded, so only safe integers are taken. */
function integer(datatype: Exclude<Datatype, 'BYTES'>, set: (at: number, value: number) => void): Writer {
  return (at, value) => {
    if (!Number.isSafeInteger(value) || !holdsNumber(datatype, value as number)) return false;
    set(at, value as number);
    return true;
  };
}

function real(datatype: 'FP32' | 'FP64', set: (at: number, value: number) => void): Writer {
  return (at, value) => {
    if (value === null) set(at, Number.NaN);
    else if (typeof value !== 'number' || !holdsNumber(datatype, value)) return false;
    else set(at, value);
    return true;
  };
}

function flatten(name: string, shape: readonly number[], data: readonly unknown[]): readonly unknown[] {
  const count = elementCount(shape);
  if (!Array.isArray(data[0])) {
    if (data.length !== count) refuseCount(name, shape, data.length);
    return data;
  }
  const flat: unknown[] = [];
  const walk = (part: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (Array.isArray(part)) refuseNesting(name, shape);
      flat.push(part);
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[axis]) refuseNesting(name, shape);
    for (const inner of part) walk(inner, axis + 1);
  };
  walk(data, 0);
  return flat;
}

function refuseCount(name: string, shape: readonly number[], found: number): never {
  throw new AppError(
    'tensor_invalid',
    `Cannot read input "${name}": shape ${showShape(shape)} wants ${elementCount(shape)} values, found ${found}.`,
  );
}

function refuseNesting(name: string, shape: readonly number[]): never {
  throw new AppError(
    'tensor_invalid',
    `Cannot read input "${name}": its data is nested in another way than its shape ${showShape(shape)}.`,
  );
}

function refuseElement(name: string, datatype: Datatype, index: number, value: unknown): never {
  const found = (JSON.stringify(value) ?? 'nothing').slice(0, 80);
  const wanted = ranges[datatype] ?? `a whole number in the range of ${datatype}`;
  throw new AppError(
    'tensor_invalid',
    `Cannot read input "${name}": element ${index} is ${found}, wanted is ${wanted}.`,
  );
}

function binaryOnly(action: string): AppError {
  return new AppError(
    'tensor_type_unsupported',
    `${action}: FP16 does not travel as JSON. Use the binary form (parameters "binary_data_size" and "binary_data").`,
  );
}
