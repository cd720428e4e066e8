import type { Tensor } from '../../shared/inference/tensor.ts';
import { elementCount } from '../../shared/inference/tensor-values.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';

export type ModelInterface = ModelManifest['interface'];

/**
 * Whether the first axis of every tensor counts samples: it is there and may vary in each. Triton concludes the same of an
 * ONNX model without a configuration.
 */
export function isBatched({ inputs, outputs }: ModelInterface): boolean {
  const tensors = [...inputs, ...outputs];
  return tensors.length > 0 && tensors.every(({ shape }) => shape[0] === -1);
}

/** Samples in a request: the first axis of the first input of two or more axes. */
export function batchSize(inputs: readonly Tensor[]): number {
  const { shape = [] } = inputs.find((input) => input.shape.length > 1) ?? {};
  return elementCount(shape.slice(0, 1));
}
