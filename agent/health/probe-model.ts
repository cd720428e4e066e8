import { ModelBuilder } from '../../shared/onnx/write-model.ts';

/** The smallest model that needs all of a runner: `y = x`. */
export function probeModel(): Uint8Array {
  return new ModelBuilder('probe')
    .input('x', 'float', ['batch', 1])
    .node('Identity', { inputs: ['x'], outputs: ['y'] })
    .output('y', 'float', ['batch', 1])
    .encode();
}
