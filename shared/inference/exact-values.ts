/**
 * Reads the elements of a tensor exactly (`tensor-values.ts` reads them as numbers). Numeric data comes as a view over the tensor's own bytes where they are aligned for
 * it, so reading costs no copy.
 */
import { isUtf8 } from 'node:buffer';
import { AppError } from '../base/app-error.ts';
import { float16Values } from './float16.ts';
import type { Tensor } from './tensor.ts';
import { elementBytes, elementCount, textsOf } from './tensor-values.ts';

const QUOTED_BYTES_MAX = 16;
const QUOTED_CHARS_MAX = 40;

export type TensorValues = ArrayLike<number> | ArrayLike<bigint> | readonly string[];

/**
 * All elements in row-major order: numbers (BOOL as 0 and 1, FP16 widened), bigints for INT64 and UINT64, strings for
 * BYTES. Throws `tensor_invalid` when the bytes are not those of the shape and datatype.
 */
export function tensorValues(tensor: Tensor): TensorValues {
  checkTensorBytes(tensor);
  const { datatype, data } = tensor;
  if (datatype === 'BYTES') return textsOf(tensor);
  const { buffer, byteOffset } = alignedData(tensor);
  const count = elementCount(tensor.shape);
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return data;
    case 'UINT16':
      return new Uint16Array(buffer, byteOffset, count);
    case 'UINT32':
      return new Uint32Array(buffer, byteOffset, count);
    case 'UINT64':
      return new BigUint64Array(buffer, byteOffset, count);
    case 'INT8':
      return new Int8Array(buffer, byteOffset, count);
    case 'INT16':
      return new Int16Array(buffer, byteOffset, count);
    case 'INT32':
      return new Int32Array(buffer, byteOffset, count);
    case 'INT64':
      return new BigInt64Array(buffer, byteOffset, count);
    case 'FP16':
      return float16Values(new Uint16Array(buffer, byteOffset, count));
    case 'FP32':
      return new Float32Array(buffer, byteOffset, count);
    case 'FP64':
      return new Float64Array(buffer, byteOffset, count);
  }
}

/** The tensor's data where a typed view over it can start: the same bytes, or a copy where they lie askew. */
export function alignedData({ datatype, data }: Tensor): { buffer: ArrayBuffer; byteOffset: number } {
  const askew = data.byteOffset % (elementBytes(datatype) ?? 1) !== 0;
  // Not `data.slice()`: of a Buffer that is a view, which lies as askew as before.
  return (askew ? new Uint8Array(data) : data) as Uint8Array<ArrayBuffer>;
}

/** Throws `tensor_invalid` when the data's length is not what shape and datatype ask for, or a text is not UTF-8. */
export function checkTensorBytes({ name, datatype, shape, data }: Tensor): void {
  const count = elementCount(shape);
  const size = elementBytes(datatype);
  const found = size === undefined ? countStrings(name, data) : data.byteLength / size;
  if (found === count) return;
  const wanted =
    size === undefined
      ? `${count} UTF-8 elements, each after its length, found ${found} elements in`
      : `${count * size} bytes (${count} × ${size}), found`;
  throw new AppError(
    'tensor_invalid',
    `Cannot read tensor "${name}": ${datatype} ${showShape(shape)} needs ${wanted} ${data.byteLength} bytes.`,
  );
}

/** A shape as people read it: `[1, 8]`; −1 shows as `?`. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.map((size) => (size === -1 ? '?' : size)).join(', ')}]`;
}

/** Number of BYTES elements. Throws `tensor_invalid`, naming the element that is cut short or is not UTF-8. */
function countStrings(name: string, data: Uint8Array): number {
  const fault = (element: number, why: string) =>
    new AppError('tensor_invalid', `Cannot read tensor "${name}": its element ${element} ${why}.`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  let at = 0;
  while (at < data.byteLength) {
    if (at + 4 > data.byteLength) throw fault(count, 'is not preceded by its length in 4 bytes');
    const end = at + 4 + view.getUint32(at, true);
    if (end > data.byteLength) throw fault(count, `is cut short by ${end - data.byteLength} bytes`);
    const text = data.subarray(at + 4, end);
    if (!isUtf8(text)) {
      const shown = Buffer.from(text.subarray(0, QUOTED_BYTES_MAX)).toString('hex');
      throw fault(count, `is not UTF-8 (bytes ${shown}${text.length > QUOTED_BYTES_MAX ? '…' : ''})`);
    }
    at = end;
    count += 1;
  }
  return count;
}

/**
 * BYTES data of strings: a uint32 length before the UTF-8 bytes of each. Throws `tensor_invalid` for half a surrogate pair,
 * which no UTF-8 can hold.
 */
export function encodeStrings(strings: readonly string[]): Uint8Array {
  const encoder = new TextEncoder();
  const encoded = strings.map((text, element) => {
    if (text.isWellFormed()) return encoder.encode(text);
    throw new AppError(
      'tensor_invalid',
      `Cannot write texts: element ${element} is ${quoteText(text)}, with half a surrogate pair, which is not valid text.`,
    );
  });
  const data = new Uint8Array(encoded.reduce((total, bytes) => total + 4 + bytes.byteLength, 0));
  const view = new DataView(data.buffer);
  let at = 0;
  for (const bytes of encoded) {
    view.setUint32(at, bytes.byteLength, true);
    data.set(bytes, at + 4);
    at += 4 + bytes.byteLength;
  }
  return data;
}

/** Why ONNX Runtime would not see a text as it is; undefined where it would. Its binding ends a text at a NUL. */
export function inputTextFault(text: string): string | undefined {
  if (!text.isWellFormed()) return 'contains half a surrogate pair, which is not valid text';
  return text.includes('\0') ? 'holds a NUL, at which ONNX Runtime would cut it' : undefined;
}

/** A text for a message: quoted, escaped, and cut short. */
export function quoteText(text: string): string {
  return JSON.stringify(text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text);
}
