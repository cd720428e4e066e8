/** Reads back a perceptron of the layout that `export-model.ts` writes, so that its answers are known without a runtime. */
import { numbersOf } from '../../shared/inference/tensor-values.ts';
import { decodeModel, elementType, type TensorProto } from '../../shared/onnx/model-proto.ts';
import type { Layer, Perceptron } from './perceptron.ts';

/** Throws Error when the model has another layout. */
export function readPerceptron(onnx: Uint8Array): Perceptron {
  const constants = new Map(decodeModel(onnx).graph?.initializer.map((tensor) => [tensor.name, tensor]));
  const values = (name: string): Float64Array => {
    const tensor = constants.get(name);
    if (tensor?.raw_data === undefined || tensor.data_type !== elementType.float) {
      throw new Error(`Cannot read the perceptron: it has no constant "${name}" of float32.`);
    }
    return numbersOf({ name, datatype: 'FP32', shape: tensor.dims, data: tensor.raw_data });
  };
  const layers: Layer[] = [];
  for (let depth = 0; constants.has(`w${depth}`); depth += 1) {
    const [inputs, outputs] = (constants.get(`w${depth}`) as TensorProto).dims as [number, number];
    layers.push({ inputs, outputs, weights: values(`w${depth}`), bias: values(`b${depth}`) });
  }
  return { mean: values('mean'), scale: values('scale'), layers };
}
