import { expect, it } from 'vitest';
import { type AttributeProto, decodeModel, encodeModel } from '../../../../shared/onnx/model-proto.ts';
import { readOnnxInterface } from '../../../../shared/onnx/read-model.ts';
import { classifierModel } from '../../../support/models.ts';

/** A classifier whose node names its classes in this attribute. */
function classifier(labels: AttributeProto): Uint8Array {
  const model = decodeModel(classifierModel());
  const node = (op_type: string, domain: string, input: string, output: string[]) => ({
    input: [input],
    output,
    name: op_type,
    op_type,
    domain,
    attribute: op_type === 'LinearClassifier' ? [labels] : [],
  });
  return encodeModel({
    ...model,
    graph: {
      ...model.graph!,
      node: [
        node('LinearClassifier', 'ai.onnx.ml', 'x', ['raw', 'scores']),
        node('Identity', '', 'raw', ['label']),
        node('Normalizer', 'ai.onnx.ml', 'scores', ['probabilities']),
      ],
    },
  });
}

it('gives the classes that a classifier in the file says it knows', () => {
  const ints = readOnnxInterface(classifier({ name: 'classlabels_ints', type: 7, ints: [1, 2, 3] }));
  expect([...ints.classLabels]).toEqual([
    ['label', [1, 2, 3]],
    ['probabilities', [1, 2, 3]],
  ]);
  const strings = [Buffer.from('ok'), Buffer.from('faulty')];
  const texts = readOnnxInterface(classifier({ name: 'classlabels_strings', type: 8, strings }));
  expect(texts.classLabels.get('label')).toEqual(['ok', 'faulty']);
  expect(readOnnxInterface(classifierModel()).classLabels.size).toBe(0);
});
