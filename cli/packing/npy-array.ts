/**
 * NumPy's `.npy` files, format 1.0 to 3.0 (numpy.lib.format): magic, version, a header that is a Python dict literal,
 * then the array. Little-endian numbers and fixed-width texts (`U`, UTF-32; `S`, taken as UTF-8) in C order are read; the
 * header is matched by pattern and never evaluated.
 */
import { isUtf8 } from 'node:buffer';
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import {
  inputTextFault,
  quoteText,
  type TensorValues,
  tensorValues,
} from '../../shared/inference/exact-values.ts';
import type { Datatype } from '../../shared/inference/tensor.ts';
import { elementBytes, elementCount } from '../../shared/inference/tensor-values.ts';
import { fileKind } from '../../shared/onnx/file-kind.ts';

export interface NpyArray {
  readonly shape: readonly number[];
  /** Row-major: numbers, bigints of 64-bit integers, or texts. */
  readonly values: TensorValues;
}

const HEADER_BYTES_MAX = 64 * 1024;
const CODE_POINT_MAX = 0x10ffff;
const TEXT = /^(?:<U|\|S)(\d{1,6})$/;
const DATATYPES: Readonly<Record<string, Datatype>> = {
  '|b1': 'BOOL',
  '|u1': 'UINT8',
  '|i1': 'INT8',
  '<u2': 'UINT16',
  '<i2': 'INT16',
  '<u4': 'UINT32',
  '<i4': 'INT32',
  '<u8': 'UINT64',
  '<i8': 'INT64',
  '<f2': 'FP16',
  '<f4': 'FP32',
  '<f8': 'FP64',
};

/** Parses NPY bytes; `what` names the file in messages. Throws `sample_invalid` or `too_large`. */
export function parseNpy(bytes: Uint8Array, what: string): NpyArray {
  const fault = (reason: string) => new AppError('sample_invalid', `Cannot read ${what}: ${reason}.`);
  if (bytes.byteLength > limits.sampleFileBytesMax) {
    throw new AppError('too_large', `Cannot read ${what}: ${formatBytes(bytes.byteLength)} is too large.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = Buffer.from(bytes.subarray(0, 6)).toString('latin1');
  if (bytes.byteLength < 12 || magic !== '\x93NUMPY') {
    const kind = fileKind(bytes);
    throw fault(`it is not an NPY file${kind === undefined ? '' : ` but ${kind}`}`);
  }
  const major = bytes[6]!;
  if (major < 1 || major > 3) throw fault(`NPY format ${major} is not supported`);
  const headerAt = major === 1 ? 10 : 12;
  const headerBytes = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataAt = headerAt + headerBytes;
  if (headerBytes > HEADER_BYTES_MAX || dataAt > bytes.byteLength) throw fault('its header is cut short');
  const header = Buffer.from(bytes.subarray(headerAt, dataAt)).toString('latin1');
  const descr = /'descr':\s*'([^']{1,16})'/.exec(header)?.[1];
  if (/'descr':\s*\[/.test(header)) {
    throw fault(
      'its elements are records, expected numbers or texts; save numpy.lib.recfunctions.structured_to_unstructured(array)',
    );
  }
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || dims === undefined) throw fault('its header is damaged');
  const datatype = ownValue(DATATYPES, descr);
  const width = TEXT.exec(descr)?.[1];
  if (datatype === undefined && width === undefined) {
    const known = `${Object.keys(DATATYPES).join(' ')} <U |S`;
    throw fault(`its elements are "${descr}", expected one of ${known}${castHint(descr)}`);
  }
  if (order === 'True') throw fault('it is in Fortran order; save numpy.ascontiguousarray(array)');
  const shape = dims
    .split(',')
    .map((d) => d.trim())
    .filter((d) => d !== '')
    .map(Number);
  // A tensor's axes, and one of rows before them.
  const rankMax = limits.tensorRankMax + 1;
  if (shape.length > rankMax) throw fault(`its rank is ${shape.length}, but at most ${rankMax} is supported`);
  const size = datatype ? elementBytes(datatype)! : Number(width) * (descr.startsWith('|S') ? 1 : 4);
  const wanted = elementCount(shape) * size;
  const data = bytes.subarray(dataAt);
  if (wanted !== data.byteLength) {
    throw fault(`shape (${shape}) of "${descr}" needs ${wanted} bytes, found ${data.byteLength}`);
  }
  if (datatype) return { shape, values: tensorValues({ name: what, datatype, shape, data }) };
  const decode = descr.startsWith('|S') ? utf8Text : utf32Text;
  const values = Array.from({ length: elementCount(shape) }, (_, i) => {
    const text = decode(data.subarray(i * size, (i + 1) * size));
    const why = text === undefined ? 'is not valid text' : inputTextFault(text);
    if (why === undefined) return text!;
    throw fault(`element ${i}${text === undefined ? '' : ` is ${quoteText(text)}, it`} ${why}`);
  });
  return { shape, values };
}

/** How NumPy makes elements of another type readable; nothing for what would lose a part, such as complex numbers. */
function castHint(descr: string): string {
  const little = descr.replace(/^>/, '<');
  if (little !== descr && (ownValue(DATATYPES, little) !== undefined || TEXT.test(little))) {
    return `; save array.astype("${little}")`;
  }
  if (descr === '|O') return '; save array.astype("<f4")';
  if (/^[<>]f16$/.test(descr)) return '; save array.astype("<f8")';
  return /^[<>][mM]8/.test(descr) ? '; save array.astype("<i8")' : '';
}

/** NumPy fills a text up with NULs. */
function utf8Text(bytes: Uint8Array): string | undefined {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const text = Buffer.from(bytes.subarray(0, end));
  return isUtf8(text) ? text.toString() : undefined;
}

function utf32Text(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const points = Array.from({ length: bytes.byteLength / 4 }, (_, i) => view.getUint32(i * 4, true));
  const end = points.findLastIndex((point) => point !== 0) + 1;
  if (points.some((point) => point > CODE_POINT_MAX)) return undefined;
  return points
    .slice(0, end)
    .map((point) => String.fromCodePoint(point))
    .join('');
}
