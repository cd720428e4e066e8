import { describe, expect, it } from 'vitest';
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
    expect(() => encodeNumbers('INT32', [0.5])).toThrow('Cannot write 0.5 as INT32: wanted a whole number.');
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
});
