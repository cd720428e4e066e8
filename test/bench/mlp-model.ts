import { seededRandom } from '../../shared/base/seeded-random.ts';
import { ModelBuilder } from '../../shared/onnx/write-model.ts';

/** A dense network of the shape of the air-quality models: `sensors` f32[-1,8] → two layers of 16, ReLU → `value` f32[-1,1]. */
export function mlpModel(): Uint8Array {
  const random = seededRandom(1);
  const weights = (count: number) => Array.from({ length: count }, () => random() - 0.5);
  const widths = [8, 16, 16, 1];
  const model = new ModelBuilder('mlp').input('sensors', 'float', ['batch', 8]);
  for (const [layer, width] of widths.slice(1).entries()) {
    const last = layer === widths.length - 2;
    const from = layer === 0 ? 'sensors' : `relu${layer - 1}`;
    model
      .constant(`w${layer}`, 'float', [widths[layer]!, width], weights(widths[layer]! * width))
      .constant(`b${layer}`, 'float', [width], weights(width))
      .node('Gemm', { inputs: [from, `w${layer}`, `b${layer}`], outputs: [last ? 'value' : `gemm${layer}`] });
    if (!last) model.node('Relu', { inputs: [`gemm${layer}`], outputs: [`relu${layer}`] });
  }
  return model.output('value', 'float', ['batch', 1]).encode();
}
