/** Whether a model that leaves its batch size open in its interface leaves it open inside too. */
import { isAppError } from '../../shared/base/app-error.ts';
import { compareOutputs } from '../../shared/inference/compare-outputs.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type { Tolerance } from '../../shared/manifest/model-manifest.ts';
import { freeBatch } from './row-input.ts';
import type { Infer } from './row-runs.ts';
import type { SampleRows } from './sample-rows.ts';
import { openSizes } from './shown-outputs.ts';

/**
 * `free`: several rows may go into one run. `fixed`: one row and no more, whatever the interface says. `entangled`: the
 * answer to a row depends on the rows beside it, as where the first axis is time.
 */
export type BatchAxis = 'free' | 'fixed' | 'entangled';

export interface BatchAxisOptions {
  readonly rows: SampleRows;
  /** A row, and another or the same. */
  readonly pair: readonly [number, number];
  /** What the model gives for each of the two alone. */
  readonly alone: readonly [readonly Tensor[], readonly Tensor[]];
  readonly outputs: readonly TensorSpec[];
  readonly tolerances: Readonly<Record<string, Tolerance>>;
  readonly infer: Infer;
}

export interface FoundBatchAxis {
  readonly axis: BatchAxis;
  /** As they are when several rows are asked for. */
  readonly outputs: readonly TensorSpec[];
}

/**
 * Runs two rows at once where the interface says that it may be done. An interface that promised more than the model keeps
 * would have devices accept requests that fail.
 */
export async function findBatchAxis(options: BatchAxisOptions): Promise<FoundBatchAxis> {
  const { rows, pair, alone, outputs, tolerances, infer } = options;
  if (!rows.batchable) return { axis: 'free', outputs };
  let together: readonly Tensor[];
  try {
    together = await infer(rows.tensors(pair));
  } catch (error) {
    if (isAppError(error, 'inference_failed')) return { axis: 'fixed', outputs };
    throw error;
  }
  const opened = openSizes(outputs, together);
  const counting = opened.filter((spec) => spec.shape[0] === -1).map((spec) => spec.name);
  const got = together.filter(({ name }) => counting.includes(name));
  const want = sideBySide(alone).filter(({ name }) => counting.includes(name));
  const sizes = new Map(got.map(({ name, shape }) => [name, shape[0]]));
  if (want.some(({ name, shape }) => sizes.get(name) !== shape[0])) return { axis: 'fixed', outputs };
  return { axis: compareOutputs({ got, want, tolerances }) ? 'entangled' : 'free', outputs: opened };
}

/** What the publisher should know of it. */
export function batchRemarks(file: string, axis: BatchAxis): string[] {
  switch (axis) {
    case 'free':
      return [];
    case 'fixed':
      return [
        `the batch size is fixed at 1 inside "${file}", though its interface leaves it open; devices take one row a request. To free it, ${freeBatch}`,
      ];
    case 'entangled':
      return [
        `the answer of "${file}" to a row depends on the rows beside it in a request; the profile and the golden samples are of single rows`,
      ];
  }
}

/** Inputs as they can be served: one row where the batch size is fixed. */
export function servedInputs(inputs: readonly TensorSpec[], axis: BatchAxis): readonly TensorSpec[] {
  if (axis !== 'fixed') return inputs;
  return inputs.map((spec) => ({ ...spec, shape: [1, ...spec.shape.slice(1)] }));
}

/** Two answers as one of all their rows. How many rows an answer has may depend on what is found in the input. */
function sideBySide([first, second]: BatchAxisOptions['alone']): Tensor[] {
  return first.flatMap((tensor) => {
    const next = second.find(({ name }) => name === tensor.name);
    if (!next) return [];
    const [[size = 0, ...row], [nextSize = 0]] = [tensor.shape, next.shape];
    return { ...tensor, shape: [size + nextSize, ...row], data: Buffer.concat([tensor.data, next.data]) };
  });
}
