/** Whether a model that leaves its batch size open in its interface leaves it open inside too. */
import { isAppError } from '../../shared/base/app-error.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import { freeBatch } from './row-input.ts';
import type { Infer } from './row-runs.ts';
import type { SampleRows } from './sample-rows.ts';

export interface BatchAxis {
  /** False where a run takes one row and no more. */
  readonly isOpen: boolean;
  /** The inputs as they can be served: one row where the batch size is fixed. */
  readonly inputs: readonly TensorSpec[];
  readonly remarks: readonly string[];
}

/**
 * Runs two rows at once where the interface says that it may be done. `alone` are the outputs of the first of `picked`. An
 * interface that promised more than the model keeps would have devices accept requests that fail.
 */
export async function findBatchAxis(
  rows: SampleRows,
  picked: readonly number[],
  {
    inputs,
    outputs,
    alone,
    infer,
  }: {
    readonly inputs: readonly TensorSpec[];
    readonly outputs: readonly TensorSpec[];
    readonly alone: readonly Tensor[];
    readonly infer: Infer;
  },
): Promise<BatchAxis> {
  const [first, second = first] = picked;
  if (!rows.batchable || first === undefined || (await takesTwo([first, second!]))) {
    return { isOpen: true, inputs, remarks: [] };
  }
  const names = inputs.map(({ name }) => `"${name}"`).join(', ');
  return {
    isOpen: false,
    inputs: inputs.map((spec) => ({ ...spec, shape: [1, ...spec.shape.slice(1)] })),
    remarks: [
      `the batch size is fixed at 1 inside the model, though its interface leaves it open for ${names}; devices take one row a request. To free it, ${freeBatch}`,
    ],
  };

  async function takesTwo(pair: readonly number[]): Promise<boolean> {
    let together: readonly Tensor[];
    try {
      together = await infer(rows.tensors(pair));
    } catch (error) {
      if (isAppError(error, 'inference_failed')) return false;
      throw error;
    }
    const counting = outputs.filter((spec) => spec.shape[0] === -1).map((spec) => spec.name);
    const sizeOf = (tensors: readonly Tensor[], name: string) =>
      tensors.find((tensor) => tensor.name === name)?.shape[0] ?? 0;
    return counting.every((name) => sizeOf(together, name) === 2 * sizeOf(alone, name));
  }
}
