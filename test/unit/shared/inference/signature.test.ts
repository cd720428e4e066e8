import { describe, expect, it } from 'vitest';
import { checkInputs, checkOutputNames } from '../../../../shared/inference/signature.ts';
import type { TensorSpec } from '../../../../shared/inference/tensor.ts';

const specs: readonly TensorSpec[] = [
  { name: 'x', datatype: 'FP32', shape: [-1, 8] },
  { name: 'rate', datatype: 'INT64', shape: [] },
];
const x = { name: 'x', datatype: 'FP32', shape: [3, 8] } as const;
const rate = { name: 'rate', datatype: 'INT64', shape: [] } as const;
const refused = (message: string) =>
  expect.objectContaining({ code: 'tensor_invalid', message: expect.stringContaining(message) });

describe('checkInputs', () => {
  it('takes inputs in any order and any size where the model declares none', () => {
    expect(() => checkInputs([rate, x], specs)).not.toThrow();
    expect(() => checkInputs([{ ...x, shape: [0, 8] }, rate], specs)).not.toThrow();
  });

  it('names what is missing, unknown or given twice', () => {
    expect(() => checkInputs([x], specs)).toThrow(refused('missing "rate" INT64 []'));
    expect(() => checkInputs([x, rate, { ...x, name: 'z' }], specs)).toThrow(
      refused('no input "z"; inputs are "x" FP32 [?, 8], "rate" INT64 []'),
    );
    expect(() => checkInputs([x, x, rate], specs)).toThrow(refused('"x" is given twice'));
  });

  it('names the datatype and the shape that is wanted', () => {
    expect(() => checkInputs([{ ...x, datatype: 'FP64' }, rate], specs)).toThrow(
      refused('"x" is FP64, expected FP32'),
    );
    for (const shape of [[8], [3, 7], [1, 3, 8]]) {
      expect(() => checkInputs([{ ...x, shape }, rate], specs)).toThrow(refused('expected [?, 8]'));
    }
    expect(() => checkInputs([x, { ...rate, shape: [1] }], specs)).toThrow(refused('expected []'));
  });
});

describe('checkOutputNames', () => {
  it('refuses outputs that do not exist or are asked for twice', () => {
    expect(() => checkOutputNames(['x', 'rate'], specs)).not.toThrow();
    expect(() => checkOutputNames(['y'], specs)).toThrow(refused('no output "y"'));
    expect(() => checkOutputNames(['x', 'x'], specs)).toThrow(refused('"x" is requested twice'));
  });
});
