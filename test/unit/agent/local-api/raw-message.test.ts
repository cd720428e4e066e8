import { describe, expect, it } from 'vitest';
import { rawMessage } from '../../../../agent/local-api/raw-message.ts';
import type { TensorSpec } from '../../../../shared/inference/tensor.ts';

const spec = (name: string, datatype: TensorSpec['datatype'], ...shape: number[]) => ({
  name,
  datatype,
  shape,
});
const read = (bytes: number, ...inputs: TensorSpec[]) =>
  rawMessage(new Uint8Array(bytes), { inputs, outputs: [spec('y', 'FP32', -1, 1)] }).inputs[0]!;

describe('rawMessage', () => {
  it('finds the one open size from the number of bytes', () => {
    expect(read(8, spec('x', 'FP32', -1, 2)).shape).toEqual([1, 2]);
    expect(read(24, spec('x', 'FP32', -1, 2, -1)).shape).toEqual([1, 2, 3]);
    expect(read(3, spec('t', 'BYTES', -1, 1))).toMatchObject({ shape: [1, 1], data: { byteLength: 7 } });
  });

  it('names what the model takes where one tensor cannot be made out', () => {
    const several = [spec('x', 'FP32', -1, 2), spec('z', 'INT64', -1)];
    for (const [inputs, shown] of [
      [[], 'the model has 0 inputs, the first is none'],
      [several, '2 inputs, the first is "x" FP32 [?, 2]'],
      [[spec('x', 'FP32', -1, -1, -1)], '1 inputs, the first is "x" FP32 [?, ?, ?]'],
      [[spec('t', 'BYTES', -1, 2)], '1 inputs, the first is "t" BYTES [?, 2]'],
    ] as const) {
      expect(() => read(8, ...inputs)).toThrow(
        expect.objectContaining({ code: 'tensor_invalid', message: expect.stringContaining(shown) }),
      );
    }
    expect(() => read(7, spec('x', 'FP32', -1, 2))).toThrow(
      expect.objectContaining({ code: 'tensor_invalid' }),
    );
  });
});
