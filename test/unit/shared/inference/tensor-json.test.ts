import { describe, expect, it } from 'vitest';
import { tensorValues } from '../../../../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../../../../shared/inference/tensor.ts';
import { tensorDataToJson, tensorFromJson } from '../../../../shared/inference/tensor-json.ts';

const read = (datatype: Datatype, shape: number[], data: unknown[]) =>
  tensorFromJson({ name: 't', datatype, shape, data });
const valuesOf = (tensor: Tensor) => Array.from(tensorValues(tensor) as ArrayLike<unknown>);
const coded = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('tensorFromJson', () => {
  it.each([
    ['BOOL', [true, false], [1, 0]],
    ['UINT8', [0, 255], [0, 255]],
    ['INT8', [-128, 127], [-128, 127]],
    ['UINT16', [0, 65_535], [0, 65_535]],
    ['INT16', [-32_768, 32_767], [-32_768, 32_767]],
    ['UINT32', [0, 4_294_967_295], [0, 4_294_967_295]],
    ['INT32', [-2_147_483_648, 2_147_483_647], [-2_147_483_648, 2_147_483_647]],
    ['UINT64', [0, Number.MAX_SAFE_INTEGER], [0n, 9_007_199_254_740_991n]],
    ['INT64', [Number.MIN_SAFE_INTEGER, 1], [-9_007_199_254_740_991n, 1n]],
    ['FP32', [0.5, null], [0.5, Number.NaN]],
    ['FP64', [1e300, Number.POSITIVE_INFINITY], [1e300, Number.POSITIVE_INFINITY]],
    ['BYTES', ['', 'é'], ['', 'é']],
  ] as const)('reads %s up to the ends of its range', (datatype, data, values) => {
    expect(valuesOf(read(datatype, [2], [...data]))).toEqual(values);
  });

  it.each([
    ['BOOL', 1],
    ['UINT8', 256],
    ['UINT8', -1],
    ['INT8', 128],
    ['INT16', 1.5],
    ['UINT32', 2 ** 32],
    ['INT64', 2 ** 53],
    ['UINT64', 2 ** 53],
    ['INT32', '1'],
    ['INT32', null],
    ['FP32', 1e39],
    ['FP32', '1'],
    ['BYTES', 1],
    ['BYTES', 'half \ud83d'],
  ] as const)('refuses what %s cannot hold: %s', (datatype, value) => {
    expect(() => read(datatype, [1], [value])).toThrow(coded('tensor_invalid', /"t": element 0 is /));
  });

  it('points to the binary form for what JSON cannot carry', () => {
    expect(() => read('FP16', [1], [1])).toThrow(coded('tensor_type_unsupported', /binary_data_size/));
    expect(() => read('INT64', [1], [2 ** 53])).toThrow(coded('tensor_invalid', /binary form/));
  });

  it('takes data nested like the shape, and refuses any other nesting', () => {
    const nested = read('INT32', [2, 1, 2], [[[1, 2]], [[3, 4]]]);
    expect(valuesOf(nested)).toEqual([1, 2, 3, 4]);
    for (const data of [
      [[1, 2], [3]],
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [
        [[1], [2]],
        [[3], [4]],
      ],
      [[1, 2], 3],
    ]) {
      expect(() => read('INT32', [2, 2], data)).toThrow(coded('tensor_invalid', /nested in another way/));
    }
  });

  it('refuses another count of values than the shape has, and takes none where it has none', () => {
    expect(() => read('INT32', [2, 2], [1, 2, 3])).toThrow(
      coded('tensor_invalid', /wants 4 values, found 3/),
    );
    expect(valuesOf(read('INT32', [0, 2], []))).toEqual([]);
    expect(valuesOf(read('INT32', [], [7]))).toEqual([7]);
  });
});

describe('tensorDataToJson', () => {
  const write = (datatype: Datatype, shape: number[], values: { readonly buffer: ArrayBuffer }) =>
    tensorDataToJson({ name: 't', datatype, shape, data: new Uint8Array(values.buffer) });

  it('keeps every digit of 64-bit numbers', () => {
    const values = BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n);
    expect(write('INT64', [2], values)).toBe('[-9223372036854775808,9223372036854775807]');
  });

  it('writes what JSON has no number for as null and 1e999, which read back as they were', () => {
    const values = [1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const text = write('FP64', [4], Float64Array.from(values));
    expect(text).toBe('[1.5,null,1e999,-1e999]');
    expect(valuesOf(read('FP64', [4], JSON.parse(text)))).toEqual(values);
  });

  it('writes truth values and strings', () => {
    expect(write('BOOL', [2], Uint8Array.of(1, 0))).toBe('[true,false]');
    expect(tensorDataToJson(read('BYTES', [2], ['a"b', '']))).toBe('["a\\"b",""]');
  });

  it('refuses FP16', () => {
    expect(() => write('FP16', [1], Uint16Array.of(0))).toThrow(coded('tensor_type_unsupported', /binary/));
  });
});
