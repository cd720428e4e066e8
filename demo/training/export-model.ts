/** Writes a perceptron as ONNX: Sub and Div standardise, then Gemm and Relu by turns. */
import { ModelBuilder } from '../../shared/onnx/write-model.ts';
import type { Perceptron } from './perceptron.ts';

export interface ExportOptions {
  readonly name: string;
  /** Input f32[-1, columns] and output f32[-1, 1]. */
  readonly input: string;
  readonly output: string;
}

export function exportModel({ mean, scale, layers }: Perceptron, options: ExportOptions): Uint8Array {
  const { name, input, output } = options;
  const model = new ModelBuilder(name)
    .input(input, 'float', ['batch', mean.length])
    .constant('mean', 'float', [mean.length], mean)
    .constant('scale', 'float', [scale.length], scale)
    .node('Sub', { inputs: [input, 'mean'], outputs: ['centred'] })
    .node('Div', { inputs: ['centred', 'scale'], outputs: ['z0'] });
  for (const [depth, { inputs, outputs, weights, bias }] of layers.entries()) {
    const last = depth === layers.length - 1;
    const sum = last ? output : `g${depth}`;
    model
      .constant(`w${depth}`, 'float', [inputs, outputs], weights)
      .constant(`b${depth}`, 'float', [outputs], bias)
      .node('Gemm', { inputs: [`z${depth}`, `w${depth}`, `b${depth}`], outputs: [sum] });
    if (!last) model.node('Relu', { inputs: [sum], outputs: [`z${depth + 1}`] });
  }
  return model.output(output, 'float', ['batch', 1]).encode();
}
