import { describe, expect, it } from 'vitest';
import { runAtOnce } from '../../../../shared/base/slices.ts';
import { tensorValues } from '../../../../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../../../../shared/inference/tensor.ts';
import { checkJsonForm, readTensorJson, tensorJsonParts } from '../../../../shared/inference/tensor-json.ts';

function readText(datatype: Datatype, shape: readonly number[], text: string): Tensor {
  const json = Buffer.from(text);
  return runAtOnce(readTensorJson({ name: 't', datatype, shape, json, from: 0, to: json.byteLength }));
}
const read = (datatype: Datatype, shape: readonly number[], data: unknown[]) =>
  readText(datatype, shape, JSON.stringify(data));
const writeText = (tensor: Tensor) => [...tensorJsonParts(tensor)].join('');
const valuesOf = (tensor: Tensor) => Array.from(tensorValues(tensor) as ArrayLike<unknown>);
const coded = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('readTensorJson()', () => {
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
    ['FP64', [1e300, -1e-300], [1e300, -1e-300]],
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
    ['INT64', 2 ** 64],
    ['UINT64', -1],
    ['INT64', 1e25],
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
  });

  it('keeps every digit of 64-bit numbers', () => {
    const text = '[-9223372036854775808,9223372036854775807,9007199254740993]';
    expect(valuesOf(readText('INT64', [3], text))).toEqual([
      -(2n ** 63n),
      2n ** 63n - 1n,
      9_007_199_254_740_993n,
    ]);
    expect(valuesOf(readText('UINT64', [1], '[18446744073709551615]'))).toEqual([2n ** 64n - 1n]);
  });

  it('reads NaN and infinity as Triton does, and null as a missing value', () => {
    const text = '[NaN, Infinity, -Infinity, Inf, -Inf, null]';
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    expect(valuesOf(readText('FP32', [6], text))).toEqual([nan, inf, -inf, inf, -inf, nan]);
    for (const word of [
      'nan',
      'INF',
      '+1',
      '01',
      '1.',
      '.5',
      '0x1F',
      '1e',
      '--1',
      '1_0',
      'Infinit',
      'NaNs',
      '1e999',
    ]) {
      expect(() => readText('FP64', [1], `[${word}]`), word).toThrow(
        coded('tensor_invalid', /element 0 is /),
      );
    }
    expect(() => readText('INT32', [1], '[NaN]')).toThrow(coded('tensor_invalid', /element 0 is NaN/));
  });

  it('carries texts as they are', () => {
    const texts = ['\u{feff}mark', 'nul\0inside', 'e\u0301', '\u{1f600}', '\\ "quoted" /'];
    expect(valuesOf(read('BYTES', [5], texts))).toEqual(texts);
    expect(valuesOf(readText('BYTES', [1], '["\\ud83d\\ude00"]'))).toEqual(['\u{1f600}']);
    expect(() => readText('BYTES', [1], '["\\ud83d"]')).toThrow(
      coded('tensor_invalid', /element 0 is "\\ud83d"/),
    );
    const notUtf8 = Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]);
    const tensor = { name: 't', datatype: 'BYTES', shape: [1], json: notUtf8, from: 0, to: 5 } as const;
    expect(() => runAtOnce(readTensorJson(tensor))).toThrow(coded('tensor_invalid', /element 0/));
  });

  it('pauses in a long list, and reads it all the same', () => {
    const data = Array.from({ length: 200_000 }, (_, i) => i);
    const json = Buffer.from(JSON.stringify(data));
    const slices = readTensorJson({
      name: 't',
      datatype: 'INT32',
      shape: [200_000],
      json,
      from: 0,
      to: json.byteLength,
    });
    let pauses = 0;
    let step = slices.next();
    for (; !step.done; step = slices.next()) pauses += 1;
    expect(pauses).toBeGreaterThan(5);
    expect(valuesOf(step.value)).toEqual(data);
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
      expect(() => read('INT32', [2, 2], data)).toThrow(
        coded('tensor_invalid', /nesting of its data does not match/),
      );
    }
  });

  it('refuses another count of values than the shape has, and takes none where it has none', () => {
    expect(() => read('INT32', [2, 2], [1, 2, 3])).toThrow(
      coded('tensor_invalid', /needs 4 values, found 3/),
    );
    expect(valuesOf(read('INT32', [0, 2], []))).toEqual([]);
    expect(valuesOf(read('INT32', [], [7]))).toEqual([7]);
  });
});

describe('tensorJsonParts()', () => {
  const write = (datatype: Datatype, shape: number[], values: { readonly buffer: ArrayBuffer }) =>
    writeText({ name: 't', datatype, shape, data: new Uint8Array(values.buffer) });

  it('keeps every digit of 64-bit numbers', () => {
    const values = BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n);
    expect(write('INT64', [2], values)).toBe('[-9223372036854775808,9223372036854775807]');
  });

  it('writes what JSON has no number for as Triton does, and reads it back', () => {
    const values = [1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];
    const text = write('FP64', [5], Float64Array.from(values));
    expect(text).toBe('[1.5,NaN,Infinity,-Infinity,-0]');
    expect(valuesOf(readText('FP64', [5], text))).toEqual(values);
  });

  it('writes a tensor of any length in parts', () => {
    const values = Float32Array.from({ length: 20_000 }, (_, i) => i);
    const parts = [
      ...tensorJsonParts({
        name: 't',
        datatype: 'FP32',
        shape: [20_000],
        data: new Uint8Array(values.buffer),
      }),
    ];
    expect(parts.length).toBeGreaterThan(4);
    expect(JSON.parse(parts.join(''))).toEqual([...values]);
    expect(writeText(read('INT8', [0], []))).toBe('[]');
  });

  it('writes truth values and strings', () => {
    expect(write('BOOL', [2], Uint8Array.of(1, 0))).toBe('[true,false]');
    expect(writeText(read('BYTES', [2], ['a"b', '']))).toBe('["a\\"b",""]');
  });

  it('refuses FP16', () => {
    const tensor = { name: 't', datatype: 'FP16', shape: [1], data: new Uint8Array(2) } as const;
    expect(() => checkJsonForm(tensor)).toThrow(coded('tensor_type_unsupported', /binary/));
  });
});
