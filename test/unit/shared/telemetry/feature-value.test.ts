import { describe, expect, it } from 'vitest';
import type { Datatype, Tensor } from '../../../../shared/inference/tensor.ts';
import { featureValues } from '../../../../shared/telemetry/feature-value.ts';

function tensor(datatype: Datatype, shape: number[], array: ArrayBufferView): Tensor {
  return {
    name: 'x',
    datatype,
    shape,
    data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
  };
}
const column = (n: number) => ({ tensor: 'x', column: n });

describe('feature values', () => {
  it.each([
    ['FP32', Float32Array.of(1, 2.5, 3, -4)],
    ['FP64', Float64Array.of(1, 2.5, 3, -4)],
  ] as const)('reads a column of %s, one value a row', (datatype, data) => {
    const x = tensor(datatype, [2, 2], data);
    expect(featureValues(column(0), x)).toEqual([1, 3]);
    expect(featureValues(column(1), x)).toEqual([2.5, -4]);
  });

  it.each([
    ['INT8', Int8Array.of(-1, 2)],
    ['UINT8', Uint8Array.of(255, 2)],
    ['INT16', Int16Array.of(-1, 2)],
    ['UINT16', Uint16Array.of(65_535, 2)],
    ['INT32', Int32Array.of(-1, 2)],
    ['UINT32', Uint32Array.of(4_294_967_295, 2)],
    ['INT64', BigInt64Array.of(-1n, 2n)],
    ['UINT64', BigUint64Array.of(7n, 2n)],
    ['BOOL', Uint8Array.of(1, 0)],
    ['FP16', Uint16Array.of(0xc500, 0x3c00)],
  ] as const)('reads %s', (datatype, data) => {
    const values = featureValues(column(0), tensor(datatype, [2, 1], data));
    const wanted = datatype === 'FP16' ? [-5, 1] : [...data].map(Number);
    expect(values).toEqual(wanted);
  });

  it('reads bytes that are not aligned', () => {
    const all = new Uint8Array(9);
    all.set(new Uint8Array(Float32Array.of(1.5, 2).buffer), 1);
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: all.subarray(1) };
    expect(featureValues(column(1), x)).toEqual([2]);
  });

  it('takes rows from every axis before the last, and one dimension as rows', () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(featureValues(column(1), tensor('FP32', [2, 2, 2], data))).toEqual([2, 4, 6, 8]);
    expect(featureValues(column(0), tensor('FP32', [3], data.slice(0, 3)))).toEqual([1, 2, 3]);
    expect(featureValues(column(0), tensor('FP32', [], data.slice(0, 1)))).toEqual([1]);
    expect(featureValues(column(0), tensor('FP32', [0, 4], data.slice(0, 0)))).toEqual([]);
  });

  it('gives NaN for a column the tensor does not have', () => {
    const x = tensor('FP32', [2, 2], Float32Array.of(1, 2, 3, 4));
    expect(featureValues(column(2), x)).toEqual([Number.NaN, Number.NaN]);
  });

  it('summarises each sample', () => {
    const x = tensor('FP32', [2, 2, 2], Float32Array.of(1, 2, 3, 6, -1, -1, -1, -1));
    const of = (summary: 'mean' | 'stddev' | 'min' | 'max' | 'argmax') =>
      featureValues({ tensor: 'x', summary }, x);
    expect(of('mean')).toEqual([3, -1]);
    expect(of('stddev')).toEqual([Math.sqrt(3.5), 0]);
    expect(of('min')).toEqual([1, -1]);
    expect(of('max')).toEqual([6, -1]);
    expect(of('argmax')).toEqual([3, 0]);
    const broken = tensor('FP32', [1, 2], Float32Array.of(1, Number.NaN));
    expect(featureValues({ tensor: 'x', summary: 'max' }, broken)).toEqual([Number.NaN]);
  });

  it('takes one element of each row, whatever the rank', () => {
    const x = tensor('FP32', [2, 2, 1], Float32Array.of(1, 2, 3, 4));
    expect(featureValues({ tensor: 'x', element: 1 }, x)).toEqual([2, 4]);
    expect(featureValues({ tensor: 'x', element: 2 }, x)).toEqual([Number.NaN, Number.NaN]);
    const vector = tensor('FP32', [3], Float32Array.of(1, 2, 3));
    expect(featureValues({ tensor: 'x', element: 2 }, vector)).toEqual([3]);
  });

  it.each([
    ['NCHW', [2, 2, 2, 1], 1, [1, 2, 30, 50, 5, 5, 70, 70]],
    ['NHWC', [2, 2, 1, 2], 3, [1, 30, 2, 50, 5, 70, 5, 70]],
  ])('tells the channels of an image in %s apart', (_, shape, axis, values) => {
    const x = tensor('FP32', shape, Float32Array.from(values));
    const of = (channel: number, summary: 'mean' | 'stddev') =>
      featureValues({ tensor: 'x', axis, channel, summary }, x);
    expect([of(0, 'mean'), of(0, 'stddev')]).toEqual([
      [1.5, 5],
      [0.5, 0],
    ]);
    expect([of(1, 'mean'), of(1, 'stddev')]).toEqual([
      [40, 70],
      [10, 0],
    ]);
    expect(of(2, 'mean')).toEqual([Number.NaN, Number.NaN]);
  });

  it('takes an image without an axis of rows as one', () => {
    const x = tensor('UINT8', [2, 2, 1], Uint8Array.of(1, 3, 5, 9));
    expect(featureValues({ tensor: 'x', axis: 0, channel: 1, summary: 'mean' }, x)).toEqual([7]);
    const last = tensor('UINT8', [1, 2, 2], Uint8Array.of(1, 3, 5, 9));
    expect(featureValues({ tensor: 'x', axis: 2, channel: 1, summary: 'mean' }, last)).toEqual([6]);
  });

  it('spreads what it looks at over a large tensor, and is as good as exact', () => {
    const side = 1_024;
    const pixels = Float32Array.from({ length: side * side }, (_, i) => (i % side) + Math.floor(i / side));
    const x = tensor('FP32', [1, side * side], pixels);
    const [mean] = featureValues({ tensor: 'x', summary: 'mean' }, x) as number[];
    const [stddev] = featureValues({ tensor: 'x', summary: 'stddev' }, x) as number[];
    expect(Math.abs(mean! - 1_023)).toBeLessThan(5);
    expect(Math.abs(stddev! - Math.sqrt((side * side - 1) / 6))).toBeLessThan(5);
  });

  it('keeps 64-bit integers that a number cannot hold', () => {
    const x = tensor('INT64', [2, 1], BigInt64Array.of(2n ** 60n + 1n, 5n));
    expect(featureValues(column(0), x)).toEqual([2n ** 60n + 1n, 5]);
  });

  it('reads strings', () => {
    const bytes = Uint8Array.of(1, 0, 0, 0, 97, 2, 0, 0, 0, 98, 99);
    expect(featureValues(column(0), tensor('BYTES', [2, 1], bytes))).toEqual(['a', 'bc']);
    expect(featureValues({ tensor: 'x', summary: 'mean' }, tensor('BYTES', [2, 1], bytes))).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
  });

  it('throws when the bytes are not those of the shape', () => {
    expect(() => featureValues(column(0), tensor('FP32', [2, 2], Float32Array.of(1)))).toThrow(
      expect.objectContaining({ code: 'tensor_invalid' }),
    );
  });
});
