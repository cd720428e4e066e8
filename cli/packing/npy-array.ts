/**
 * NumPy's `.npy` files, format 1.0 to 3.0 (numpy.lib.format): magic, version, a header that is a Python dict literal,
 * then the array. Only little-endian numbers in C order are read; the header is matched by pattern and never evaluated.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { Datatype } from '../../shared/inference/tensor.ts';
import { elementBytes, elementCount, numbersOf } from '../../shared/inference/tensor-values.ts';

export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

const HEADER_BYTES_MAX = 64 * 1024;
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
  if (bytes.byteLength < 12 || magic !== '\x93NUMPY') throw fault('it is not an NPY file');
  const major = bytes[6]!;
  if (major < 1 || major > 3) throw fault(`NPY format ${major} is unknown`);
  const headerAt = major === 1 ? 10 : 12;
  const headerBytes = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataAt = headerAt + headerBytes;
  if (headerBytes > HEADER_BYTES_MAX || dataAt > bytes.byteLength) throw fault('its header is cut short');
  const header = Buffer.from(bytes.subarray(headerAt, dataAt)).toString('latin1');
  const descr = /'descr':\s*'([^']{1,16})'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || dims === undefined) throw fault('its header is damaged');
  const datatype = ownValue(DATATYPES, descr);
  if (datatype === undefined)
    throw fault(`its numbers are "${descr}", wanted one of ${Object.keys(DATATYPES).join(' ')}`);
  if (order === 'True') throw fault('it is in Fortran order; save numpy.ascontiguousarray(array)');
  const shape = dims
    .split(',')
    .map((d) => d.trim())
    .filter((d) => d !== '')
    .map(Number);
  if (shape.length > limits.tensorRankMax + 1) throw fault(`its rank is ${shape.length}`);
  const wanted = elementCount(shape) * elementBytes(datatype)!;
  if (wanted !== bytes.byteLength - dataAt) {
    throw fault(`shape (${shape}) of "${descr}" is ${wanted} bytes, found ${bytes.byteLength - dataAt}`);
  }
  const values = numbersOf({ name: what, datatype, shape, data: bytes.subarray(dataAt) });
  return { shape, values };
}
