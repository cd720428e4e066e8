import { describe, expect, it } from 'vitest';
import {
  checkTensorBytes,
  encodeStrings,
  inputTextFault,
  tensorValues,
} from '../../../../shared/inference/exact-values.ts';

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

describe('strings', () => {
  it('come back as they were, whatever text they hold', () => {
    const texts = ['\ufeffstart', 'a\0b', '\ufffd', '👍'];
    expect(tensorValues(strings(encodeStrings(texts), 4))).toEqual(texts);
  });

  it('are refused by element where no UTF-8 can hold them', () => {
    expect(() => encodeStrings(['a', 'b\ud800'])).toThrow(
      expect.objectContaining({
        code: 'tensor_invalid',
        message: expect.stringContaining('element 1 is "b\\ud800"'),
      }),
    );
  });

  it('name the element that is not UTF-8', () => {
    const bytes = Buffer.concat([encodeStrings(['a']), Uint8Array.of(2, 0, 0, 0, 0xc3, 0x28)]);
    expect(() => checkTensorBytes(strings(bytes, 2))).toThrow('element 1 is not UTF-8 (bytes c328)');
  });

  it('are said to be cut where ONNX Runtime would cut them', () => {
    expect(inputTextFault('a\0b')).toMatch(/NUL/);
    expect(inputTextFault('a\udc00')).toMatch(/surrogate/);
    expect(inputTextFault('Grüße 👍')).toBeUndefined();
  });
});
