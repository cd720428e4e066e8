/**
 * The values of one feature in one tensor. Rows follow the tensor's shape: a column of the last axis gives one value for
 * each position before it ([N, F] and [N, T, F] give N and N·T); an element or a summary one for each entry of the first
 * axis. A tensor of one dimension is N rows of one column, but one row of N elements. Strings come from BYTES tensors alone.
 */

import type { Tensor } from '../inference/tensor.ts';
import { elementCount } from '../inference/tensor-values.ts';
import type { FeatureSource } from '../manifest/reference-profile.ts';
import { TensorReading } from './tensor-reading.ts';

/** 64-bit integers beyond 2^53 stay as they are: rounded, two ids may become one. */
export type FeatureValue = number | bigint | string;

/**
 * Values of the feature, one a row; NaN where the tensor does not hold what is asked for. `reading` is of `tensor`, for
 * callers that read many features of it. Of more than `rowsMax` rows, every n-th is read. Throws `tensor_invalid` when the bytes are not those of shape and datatype.
 */
export function featureValues(
  source: FeatureSource,
  tensor: Tensor,
  reading: TensorReading = new TensorReading(tensor),
  rowsMax = Number.POSITIVE_INFINITY,
): readonly FeatureValue[] {
  const { shape } = tensor;
  if ('column' in source) {
    const columns = shape.length >= 2 ? shape.at(-1)! : 1;
    const rows = columns === 0 ? 0 : reading.elements.length / columns;
    return everyNth(reading, { rows, width: columns, at: source.column, rowsMax });
  }
  if ('element' in source) {
    const [rows, row] = shape.length <= 1 ? [1, shape] : [shape[0]!, shape.slice(1)];
    return everyNth(reading, { rows, width: elementCount(row), at: source.element, rowsMax });
  }
  if ('channel' in source) {
    const moments = reading.channelMoments(source.axis, source.channel);
    return moments.map((row) => row[source.summary]);
  }
  const { summary } = source;
  if (summary === 'mean' || summary === 'stddev') return reading.rowMoments().map((row) => row[summary]);
  return reading
    .rowExtremes(summary === 'min' ? 'min' : 'max')
    .map(({ value, at }) => (summary === 'argmax' ? at : value));
}

interface Rows {
  readonly rows: number;
  readonly width: number;
  readonly at: number;
  readonly rowsMax: number;
}

/** The element `at` of each of `rows` rows of `width` elements, or of `rowsMax` of them in equal steps. */
function everyNth({ elements }: TensorReading, { rows, width, at, rowsMax }: Rows): FeatureValue[] {
  const step = Math.ceil(rows / rowsMax) || 1;
  const count = Math.ceil(rows / step);
  if (at >= width) return new Array<number>(count).fill(Number.NaN);
  const values = new Array<FeatureValue>(count);
  for (let i = 0; i < count; i += 1) values[i] = asValue(elements[i * step * width + at]!);
  return values;
}

function asValue(element: FeatureValue): FeatureValue {
  if (typeof element !== 'bigint') return element;
  const number = Number(element);
  return Number.isSafeInteger(number) ? number : element;
}
