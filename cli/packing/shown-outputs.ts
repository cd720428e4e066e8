/**
 * Outputs as runs show them. ONNX Runtime trusts a file and warns at most, so a model may give other sizes than
 * it declares; what an interface promises, clients and devices go by.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { quoteText, showShape } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type { OnnxInterface } from '../../shared/onnx/read-model.ts';

/** The outputs of a file with the ranks that it leaves open, and without the sizes that answers contradict. Throws `interface_mismatch` for a rank. */
export function shownOutputs(
  { outputs, unranked }: Pick<OnnxInterface, 'outputs' | 'unranked'>,
  answers: readonly (readonly Tensor[])[],
): readonly TensorSpec[] {
  const ranked = outputs.map((spec) => {
    const shape = answers[0]?.find(({ name }) => name === spec.name)?.shape ?? [];
    return unranked.includes(spec.name) ? { ...spec, shape: shape.map(() => -1) } : spec;
  });
  return answers.reduce(openSizes, ranked);
}

/** Outputs whose sizes are left open where an answer has others. Throws `interface_mismatch` for another rank. */
export function openSizes(outputs: readonly TensorSpec[], answer: readonly Tensor[]): readonly TensorSpec[] {
  return outputs.map((spec) => {
    const shown = answer.find(({ name }) => name === spec.name)?.shape ?? spec.shape;
    if (shown.length !== spec.shape.length) {
      throw new AppError(
        'interface_mismatch',
        `Cannot pack: output ${quoteText(spec.name)} is declared with shape ${showShape(spec.shape)}, but the model gives shape ${showShape(shown)}, so every device would refuse the version. Correct the shape that the file declares.`,
      );
    }
    return { ...spec, shape: spec.shape.map((size, axis) => (size === shown[axis] ? size : -1)) };
  });
}

/** What the publisher should know of it. */
export function sizeRemarks(
  { outputs: declared, unranked }: Pick<OnnxInterface, 'outputs' | 'unranked'>,
  outputs: readonly TensorSpec[],
): string[] {
  return declared.flatMap(({ name, shape }) => {
    const shown = outputs.find((spec) => spec.name === name)!;
    if (unranked.includes(name) || showShape(shown.shape) === showShape(shape)) return [];
    return `output ${quoteText(name)} has other sizes than the file declares, ${showShape(shape)}: the interface has ${showShape(shown.shape)}`;
  });
}
