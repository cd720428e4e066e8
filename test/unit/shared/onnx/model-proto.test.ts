import { describe, expect, it } from 'vitest';
import { decodeModel, encodeModel } from '../../../../shared/onnx/model-proto.ts';
import { addModel, classifierModel, crashingModel, statefulModel } from '../../../support/models.ts';

describe('decodeModel() and encodeModel()', () => {
  it('give back the same bytes', () => {
    for (const bytes of [addModel(), classifierModel(), crashingModel(), statefulModel()]) {
      expect(Buffer.compare(Buffer.from(encodeModel(decodeModel(bytes))), Buffer.from(bytes))).toBe(0);
    }
  });
});
