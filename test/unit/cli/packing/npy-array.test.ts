import { describe, expect, it } from 'vitest';
import { parseNpy } from '../../../../cli/packing/npy-array.ts';
import { npyFile } from '../../../support/pack-folder.ts';

/** `numpy.save` of `numpy.array([[1, -2], [3, 400]], '<i2')`, numpy 1.24. */
const byNumpy = Buffer.concat([
  Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
  Buffer.from(`${"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117)}\n`),
  Buffer.from([1, 0, 0xfe, 0xff, 3, 0, 0x90, 1]),
]);

describe('parseNpy()', () => {
  it('reads what numpy writes', () => {
    expect(parseNpy(byNumpy, 'a')).toEqual({ shape: [2, 2], values: Float64Array.of(1, -2, 3, 400) });
  });

  it('reads float32 of one dimension', () => {
    expect(parseNpy(npyFile([3], [1, 2, 0.5]), 'a')).toEqual({
      shape: [3],
      values: Float64Array.of(1, 2, 0.5),
    });
  });

  it.each([
    ['other bytes', Buffer.from('PK\x03\x04 not an array'), /not an NPY file/],
    ['nothing', new Uint8Array(), /not an NPY file/],
    ['a header cut short', byNumpy.subarray(0, 60), /header is cut short/],
    ['data cut short', byNumpy.subarray(0, -1), /is 8 bytes, found 7/],
    ['big-endian numbers', replaced('<i2', '>i2'), /numbers are ">i2"/],
    ['Python objects', replaced("'<i2'", "'|O' "), /numbers are "\|O"/],
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
