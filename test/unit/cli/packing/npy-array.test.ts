import { describe, expect, it } from 'vitest';
import { parseNpy } from '../../../../cli/packing/npy-array.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { npyBytes, npyFile } from '../../../support/pack-folder.ts';

/** `numpy.save` of `numpy.array([[1, -2], [3, 400]], '<i2')`, numpy 1.24. */
const byNumpy = Buffer.concat([
  Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
  Buffer.from(`${"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117)}\n`),
  Buffer.from([1, 0, 0xfe, 0xff, 3, 0, 0x90, 1]),
]);

describe('parseNpy()', () => {
  it('reads what numpy writes', () => {
    expect(parseNpy(byNumpy, 'a')).toEqual({ shape: [2, 2], values: Int16Array.of(1, -2, 3, 400) });
  });

  it('reads float32 of one dimension', () => {
    expect(parseNpy(npyFile([3], [1, 2, 0.5]), 'a')).toEqual({
      shape: [3],
      values: Float32Array.of(1, 2, 0.5),
    });
  });

  it('reads as many axes as a tensor has, and one for the rows', () => {
    const shape = new Array<number>(limits.tensorRankMax + 1).fill(1);
    expect(parseNpy(npyFile(shape, [1]), 'a').shape).toEqual(shape);
  });

  it('reads 64-bit integers exactly', () => {
    const ids = BigInt64Array.of(9_007_199_254_740_993n);
    expect(parseNpy(npyBytes('<i8', [1], ids), 'a').values).toEqual(ids);
  });

  it('reads texts of fixed width', () => {
    const utf32 = Uint32Array.of(0x67, 0xfc, 0, 0x1f44d, 0, 0);
    expect(parseNpy(npyBytes('<U3', [2], utf32), 'a').values).toEqual(['gü', '👍']);
    expect(parseNpy(npyBytes('|S3', [2], Uint8Array.of(0xc3, 0xbc, 0, 97, 98, 99)), 'a').values).toEqual([
      'ü',
      'abc',
    ]);
  });

  it.each([
    ['<U1', Uint32Array.of(0xd800), /element 0 is "\\ud800", it contains half a surrogate pair/],
    ['<U1', Uint32Array.of(0x110000), /element 0 is not valid text/],
    ['<U3', Uint32Array.of(97, 0, 98), /it holds a NUL/],
    ['|S1', Uint8Array.of(0xff), /element 0 is not valid text/],
  ])('refuses a text of %s that is none', (descr, data, message) => {
    expect(() => parseNpy(npyBytes(descr, [1], data), 'a')).toThrow(message);
  });

  it.each([
    ['other bytes', Buffer.from('PK\x03\x04 not an array'), /not an NPY file/],
    ['nothing', new Uint8Array(), /not an NPY file/],
    ['a header cut short', byNumpy.subarray(0, 60), /header is cut short/],
    ['data cut short', byNumpy.subarray(0, -1), /needs 8 bytes, found 7/],
    ['big-endian numbers', replaced('<i2', '>i2'), /elements are ">i2", .*; save array\.astype\("<i2"\)\.$/],
    ['Python objects', replaced("'<i2'", "'|O' "), /elements are "\|O", .*; save array\.astype\("<f4"\)\.$/],
    ['big-endian texts', replaced('<i2', '>U2'), /elements are ">U2", .*; save array\.astype\("<U2"\)\.$/],
    ['points in time', replaced("'<i2'", "'<M8[ns]'"), /"<M8\[ns\]", .*; save array\.astype\("<i8"\)\.$/],
    ['complex numbers', replaced('<i2', '<c8'), /elements are "<c8", expected one of [^;]*\.$/],
    [
      'several arrays',
      Buffer.from('PK\x03\x04..a.npy'),
      /but an archive of NumPy arrays; save .* numpy\.save/,
    ],
    [
      'an array of records',
      replaced("'<i2', ", "[('a', '<i2'), ('b', '<i2')], "),
      /its elements are records, .*structured_to_unstructured/,
    ],
    [
      'more axes than a tensor and its rows have',
      npyFile(new Array<number>(limits.tensorRankMax + 2).fill(1), [1]),
      new RegExp(`its rank is ${limits.tensorRankMax + 2}, but at most ${limits.tensorRankMax + 1}`),
    ],
    ['Fortran order', replaced('False', 'True '), /Fortran order/],
    ['a shape that is none', replaced('(2, 2)', '(2; 2)'), /header is damaged/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'a')).toThrow(expect.objectContaining({ code: 'sample_invalid' }));
    expect(() => parseNpy(bytes, 'a')).toThrow(message);
  });
});

function replaced(from: string, to: string): Buffer {
  return Buffer.from(byNumpy.toString('latin1').replace(from, to), 'latin1');
}
