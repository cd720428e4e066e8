import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../shared/base/app-error.ts';
import { readOnnxInterface } from '../../../../shared/onnx/read-model.ts';
import { classifierModel, mnistLike, statefulModel } from '../../../support/models.ts';

/** Any bytes give an interface or a coded error. */
function readsOrRefuses(bytes: Uint8Array): void {
  try {
    readOnnxInterface(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
  }
}

describe('readOnnxInterface() on hostile bytes', () => {
  it('answers any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), readsOrRefuses), { numRuns: 2_000 });
  });

  it.each([
    ['stateful', statefulModel()],
    ['classifier', classifierModel()],
    ['mnist-like', mnistLike().subarray(0, 4_000)],
  ])('answers a %s model with bytes changed, dropped and cut', (_, model) => {
    const at = fc.nat({ max: model.length - 1 });
    const change = fc.tuple(at, fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), at, fc.boolean(), (changes, cut, short) => {
        const bytes = Uint8Array.from(model);
        for (const [where, value] of changes) bytes[where] = value;
        readsOrRefuses(short ? bytes.subarray(0, cut) : bytes);
      }),
      { numRuns: 1_500 },
    );
  });
});
