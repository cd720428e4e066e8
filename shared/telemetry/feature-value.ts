/**
 * The values of one feature in one tensor. Rows follow the tensor's shape: a column of the last axis gives one value for
 * each position before it ([N, F] and [N, T, F] give N and N·T), a summary one value for each entry of the first axis.
 * A tensor of one dimension is N rows of one column. Strings come from BYTES tensors alone.
 */

import { type TensorValues, tensorValues } from '../inference/exact-values.ts';
import type { Tensor } from '../inference/tensor.ts';
import { elementCount } from '../inference/tensor-values.ts';
import type { FeatureSource } from '../manifest/reference-profile.ts';

/**
 * Values of the feature, one a row; NaN where the tensor does not hold the column or summary asked for, 64-bit integers
 * as the nearest number. `elements` are `tensorValues(tensor)`, for callers that read many features of one tensor.
 * Throws `tensor_invalid` when the bytes are not those of shape and datatype.
 */
export function featureValues(
  source: FeatureSource,
  tensor: Tensor,
  elements: TensorValues = tensorValues(tensor),
): readonly (number | string)[] {
  const { shape } = tensor;
  if ('column' in source) {
    const columns = shape.length >= 2 ? shape.at(-1)! : 1;
    const rows = columns === 0 ? 0 : elements.length / columns;
    if (source.column >= columns) return new Array<number>(rows).fill(Number.NaN);
    const values = new Array<number | string>(rows);
    for (let row = 0; row < rows; row += 1) values[row] = asValue(elements[row * columns + source.column]!);
    return values;
  }
  const samples = shape[0] ?? 1;
  const size = elementCount(shape.slice(1));
  const values = new Array<number>(samples).fill(Number.NaN);
  if (size === 0 || tensor.datatype === 'BYTES') return values;
  for (let sample = 0; sample < samples; sample += 1) {
    values[sample] = summarize(
      source.summary,
      elements as ArrayLike<number> | ArrayLike<bigint>,
      sample * size,
      size,
    );
  }
  return values;
}

type Summary = Extract<FeatureSource, { summary: unknown }>['summary'];

/** NaN elements make the summary NaN. Standard deviation is that of the population, by Welford's method. */
function summarize(
  summary: Summary,
  elements: ArrayLike<number> | ArrayLike<bigint>,
  from: number,
  size: number,
): number {
  let mean = 0;
  let squares = 0;
  let best = Number(elements[from]);
  let bestAt = 0;
  for (let i = 0; i < size; i += 1) {
    const value = Number(elements[from + i]);
    if (Number.isNaN(value)) return Number.NaN;
    if (summary === 'mean' || summary === 'stddev') {
      const distance = value - mean;
      mean += distance / (i + 1);
      squares += distance * (value - mean);
    } else if (summary === 'min' ? value < best : value > best) {
      best = value;
      bestAt = i;
    }
  }
  switch (summary) {
    case 'mean':
      return mean;
    case 'stddev':
      return Math.sqrt(squares / size);
    case 'argmax':
      return bestAt;
    default:
      return best;
  }
}

function asValue(element: number | bigint | string): number | string {
  return typeof element === 'bigint' ? Number(element) : element;
}
