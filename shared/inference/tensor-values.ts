/**
 * Numbers in and out of a tensor's raw bytes. Bytes are little-endian whatever the machine is. Read as numbers, 64-bit
 * integers become the nearest JavaScript number, which is enough for counts, classes and statistics; written from
 * bigints they are exact.
 */
import { AppError } from '../base/app-error.ts';
import { holdsNumber, wantedElement } from './element-range.ts';
import { float16Bits, float16Value } from './float16.ts';
import type { Datatype, Tensor } from './tensor.ts';

interface Codec {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number;
  readonly write: (view: DataView, at: number, value: number | bigint) => void;
}

const CODECS: Readonly<Record<Exclude<Datatype, 'BYTES'>, Codec>> = {
  BOOL: {
    bytes: 1,
    read: (v, at) => (v.getUint8(at) === 0 ? 0 : 1),
    write: (v, at, n) => v.setUint8(at, Number(n)),
  },
  UINT8: { bytes: 1, read: (v, at) => v.getUint8(at), write: (v, at, n) => v.setUint8(at, Number(n)) },
  INT8: { bytes: 1, read: (v, at) => v.getInt8(at), write: (v, at, n) => v.setInt8(at, Number(n)) },
  UINT16: {
    bytes: 2,
    read: (v, at) => v.getUint16(at, true),
    write: (v, at, n) => v.setUint16(at, Number(n), true),
  },
  INT16: {
    bytes: 2,
    read: (v, at) => v.getInt16(at, true),
    write: (v, at, n) => v.setInt16(at, Number(n), true),
  },
  UINT32: {
    bytes: 4,
    read: (v, at) => v.getUint32(at, true),
    write: (v, at, n) => v.setUint32(at, Number(n), true),
  },
  INT32: {
    bytes: 4,
    read: (v, at) => v.getInt32(at, true),
    write: (v, at, n) => v.setInt32(at, Number(n), true),
  },
  UINT64: {
    bytes: 8,
    read: (v, at) => Number(v.getBigUint64(at, true)),
    write: (v, at, n) => v.setBigUint64(at, BigInt(n), true),
  },
  INT64: {
    bytes: 8,
    read: (v, at) => Number(v.getBigInt64(at, true)),
    write: (v, at, n) => v.setBigInt64(at, BigInt(n), true),
  },
  FP16: {
    bytes: 2,
    read: (v, at) => float16Value(v.getUint16(at, true)),
    write: (v, at, n) => v.setUint16(at, float16Bits(Number(n)), true),
  },
  FP32: {
    bytes: 4,
    read: (v, at) => v.getFloat32(at, true),
    write: (v, at, n) => v.setFloat32(at, Number(n), true),
  },
  FP64: {
    bytes: 8,
    read: (v, at) => v.getFloat64(at, true),
    write: (v, at, n) => v.setFloat64(at, Number(n), true),
  },
};

/** Bytes of one element; undefined for BYTES, whose elements carry their length. */
export function elementBytes(datatype: Datatype): number | undefined {
  return datatype === 'BYTES' ? undefined : CODECS[datatype].bytes;
}

/** How many elements a tensor of this shape has; 1 for the scalar shape []. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The elements of a numeric tensor. Throws `bad_input` for BYTES and for data whose length is not that of the shape. */
export function numbersOf({ name, datatype, shape, data }: Tensor): Float64Array {
  if (datatype === 'BYTES') throw new AppError('bad_input', `Cannot read "${name}" as numbers: it is BYTES.`);
  const { bytes, read } = CODECS[datatype];
  const count = elementCount(shape);
  if (data.byteLength !== count * bytes) {
    throw new AppError(
      'bad_input',
      `Cannot read "${name}": ${datatype} of shape [${shape}] has ${count * bytes} bytes, found ${data.byteLength}.`,
    );
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 1) values[i] = read(view, i * bytes);
  return values;
}

/** The raw bytes of numbers. Throws `bad_input` for BYTES and for a value that the datatype does not hold. */
export function encodeNumbers(datatype: Datatype, values: ArrayLike<number | bigint>): Uint8Array {
  if (datatype === 'BYTES') throw new AppError('bad_input', 'Cannot write numbers as BYTES.');
  const { bytes, write } = CODECS[datatype];
  const data = new Uint8Array(values.length * bytes);
  const view = new DataView(data.buffer);
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if (!holdsNumber(datatype, value)) {
      throw new AppError(
        'bad_input',
        `Cannot write ${value} as ${datatype} (element ${i}): expected ${wantedElement(datatype)}.`,
      );
    }
    write(view, i * bytes, value);
  }
  return data;
}

/** Keeps a byte order mark, which is text like any other here, and puts no U+FFFD in place of what is not UTF-8. */
const exactUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The elements of a BYTES tensor as text. Throws `bad_input` when lengths and data disagree, or it is not UTF-8. */
export function textsOf({ name, datatype, shape, data }: Tensor): string[] {
  const fault = () =>
    new AppError('bad_input', `Cannot read "${name}" as texts: ${datatype}, ${data.byteLength} bytes.`);
  if (datatype !== 'BYTES') throw fault();
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const count = elementCount(shape);
  const texts: string[] = [];
  let at = 0;
  while (texts.length < count) {
    if (at + 4 > data.byteLength) throw fault();
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > data.byteLength) throw fault();
    try {
      texts.push(exactUtf8.decode(data.subarray(at, at + length)));
    } catch {
      throw fault();
    }
    at += length;
  }
  if (at !== data.byteLength) throw fault();
  return texts;
}
