import { describe, expect, it } from 'vitest';
import { checkTensorBytes, encodeStrings, tensorValues } from '../../../../shared/inference/exact-values.ts';

const strings = (data: Uint8Array, count: number) => ({
  name: 's',
  datatype: 'BYTES' as const,
  shape: [count],
  data,
});
const refused = expect.objectContaining({ code: 'tensor_invalid' });

describe('tensorValues', () => {
  it('reads strings back as they were encoded', () => {
    expect(tensorValues(strings(encodeStrings(['', 'a', '世界']), 3))).toEqual(['', 'a', '世界']);
  });

  it('reads a Buffer that does not lie on a boundary of the type', () => {
    const buffer = Buffer.alloc(13);
    buffer.writeDoubleLE(2.5, 5);
    const tensor = { name: 'd', datatype: 'FP64' as const, shape: [1], data: buffer.subarray(5) };
    expect([...(tensorValues(tensor) as Float64Array)]).toEqual([2.5]);
  });
});

describe('checkTensorBytes', () => {
  it('refuses bytes that are too few, too many, or no whole elements', () => {
    for (const length of [0, 4, 7, 9, 16]) {
      const tensor = { name: 'x', datatype: 'FP32' as const, shape: [2], data: new Uint8Array(length) };
      expect(() => checkTensorBytes(tensor)).toThrow(refused);
    }
  });

  it('refuses strings that are cut short, miscounted or not UTF-8', () => {
    const good = encodeStrings(['abc']);
    expect(() => checkTensorBytes(strings(good, 1))).not.toThrow();
    expect(() => checkTensorBytes(strings(good, 2))).toThrow(refused);
    expect(() => checkTensorBytes(strings(good.subarray(0, 6), 1))).toThrow(refused);
    expect(() => checkTensorBytes(strings(good.subarray(0, 3), 1))).toThrow(refused);
    expect(() => checkTensorBytes(strings(Uint8Array.of(1, 0, 0, 0, 0xff), 1))).toThrow(refused);
    expect(() => checkTensorBytes(strings(Uint8Array.of(255, 255, 255, 255), 1))).toThrow(refused);
  });
});
