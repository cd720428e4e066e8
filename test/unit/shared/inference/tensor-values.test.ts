import { describe, expect, it } from 'vitest';
import { encodeStrings } from '../../../../shared/inference/exact-values.ts';
import { datatypes } from '../../../../shared/inference/tensor.ts';
import { encodeNumbers, numbersOf, textsOf } from '../../../../shared/inference/tensor-values.ts';

describe('encodeNumbers() and numbersOf()', () => {
  it.each(datatypes.filter((d) => d !== 'BYTES'))('carry numbers through %s', (datatype) => {
    const values = datatype === 'BOOL' ? [0, 1, 1] : [0, 1, 100];
    const data = encodeNumbers(datatype, values);
    expect([...numbersOf({ name: 'x', datatype, shape: [3], data })]).toEqual(values);
  });

  it('read a scalar as one element', () => {
    expect([
      ...numbersOf({ name: 'sr', datatype: 'INT64', shape: [], data: encodeNumbers('INT64', [16_000]) }),
    ]).toEqual([16_000]);
  });

  it('refuse data that is not as long as the shape says', () => {
    expect(() => numbersOf({ name: 'x', datatype: 'FP32', shape: [2], data: new Uint8Array(7) })).toThrow(
      'Cannot read "x": FP32 of shape [2] has 8 bytes, found 7.',
    );
  });

  it('refuse a fraction in a whole-number type', () => {
    expect(() => encodeNumbers('INT32', [0.5])).toThrow(
      'Cannot write 0.5 as INT32 (element 0): expected a whole number from -2147483648 to 2147483647 (INT32).',
    );
  });
});

describe('encodeNumbers()', () => {
  it.each([
    ['UINT8', 300],
    ['UINT8', -1],
    ['BOOL', 2],
    ['INT8', 128],
    ['UINT32', 2 ** 32],
    ['INT32', Number.NaN],
    ['UINT64', -1n],
    ['INT64', 2n ** 63n],
    ['FP16', 70_000],
    ['FP32', 1e39],
  ] as const)('refuses what %s cannot hold, in place of changing it: %s', (datatype, value) => {
    expect(() => encodeNumbers(datatype, [0, value])).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`${value} as ${datatype} (element 1)`) }),
    );
  });

  it('writes 64-bit integers exactly from bigints', () => {
    const ids = [9_007_199_254_740_993n, -(2n ** 63n)];
    expect([...new BigInt64Array(encodeNumbers('INT64', ids).buffer as ArrayBuffer)]).toEqual(ids);
  });

  it('keeps NaN and infinity, which are values of a real type', () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY];
    for (const datatype of ['FP16', 'FP32', 'FP64'] as const) {
      const data = encodeNumbers(datatype, values);
      expect([...numbersOf({ name: 'x', datatype, shape: [2], data })]).toEqual(values);
    }
  });
});

describe('textsOf()', () => {
  it('reads length-prefixed texts and refuses a length past the end', () => {
    const data = Uint8Array.of(2, 0, 0, 0, 104, 105, 0, 0, 0, 0);
    expect(textsOf({ name: 't', datatype: 'BYTES', shape: [2], data })).toEqual(['hi', '']);
    expect(() => textsOf({ name: 't', datatype: 'BYTES', shape: [3], data })).toThrow(/as texts/);
    expect(() =>
      textsOf({ name: 't', datatype: 'BYTES', shape: [1], data: Uint8Array.of(9, 0, 0, 0, 1) }),
    ).toThrow(/as texts/);
  });

  it('keeps a byte order mark at the start, and refuses what is not UTF-8', () => {
    const text = (data: Uint8Array) => textsOf({ name: 't', datatype: 'BYTES', shape: [1], data });
    expect(text(encodeStrings(['\ufeffa']))).toEqual(['\ufeffa']);
    expect(() => text(Uint8Array.of(1, 0, 0, 0, 0xff))).toThrow(/as texts/);
  });
});
