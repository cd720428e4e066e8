/**
 * Triton's classification extension: of each sample of an output, its highest values as texts `value:index[:class]`,
 * written as Triton writes them (`std::to_string`).
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { encodeStrings, showShape, tensorValues } from '../../shared/inference/exact-values.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { elementCount } from '../../shared/inference/tensor-values.ts';

export interface ClassificationOptions {
  /** How many of each sample; all there are when there are fewer. */
  readonly count: number;
  /** Whether the first axis counts samples; the whole tensor is one sample otherwise. */
  readonly isBatched: boolean;
  /** Names of the classes, used where each value has one. */
  readonly classes?: readonly string[] | undefined;
}

/** Throws `tensor_type_unsupported` for types without an order, `too_large` for more values than are sorted. */
export function classify(tensor: Tensor, { count, isBatched, classes }: ClassificationOptions): Tensor {
  const { name, datatype, shape } = tensor;
  const what = `Cannot answer with classes of "${name}"`;
  if (datatype === 'BYTES' || datatype === 'BOOL' || datatype === 'FP16') {
    throw new AppError('tensor_type_unsupported', `${what}: ${datatype} tensors have no classes.`);
  }
  const total = elementCount(shape);
  if (total > limits.classifiedElementsMax) {
    throw new AppError(
      'too_large',
      `${what}: ${showShape(shape)} has more than ${limits.classifiedElementsMax} values. Request the tensor itself.`,
    );
  }
  const samples = isBatched ? shape[0]! : 1;
  const size = samples === 0 ? 0 : total / samples;
  const kept = Math.min(count, size);
  const values = tensorValues(tensor) as ArrayLike<number | bigint>;
  const named = classes?.length === size ? classes : undefined;
  const texts: string[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const from = sample * size;
    const order = Array.from({ length: size }, (_, i) => i);
    order.sort((a, b) => descending(values[from + a]!, values[from + b]!));
    for (const index of order.slice(0, kept)) {
      const text = `${showValue(values[from + index]!, datatype.startsWith('FP'))}:${index}`;
      texts.push(named ? `${text}:${named[index]}` : text);
    }
  }
  return {
    name,
    datatype: 'BYTES',
    shape: isBatched ? [samples, kept] : [kept],
    data: encodeStrings(texts),
  };
}

/** NaN comes last. */
function descending(a: number | bigint, b: number | bigint): number {
  if (a === b) return 0;
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  return Number.isNaN(b) || a > b ? -1 : 1;
}

function showValue(value: number | bigint, isReal: boolean): string {
  if (!isReal) return String(value);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  // toFixed() turns to powers of ten at 1e21, from where on a double is whole.
  return Math.abs(value as number) < 1e21 ? (value as number).toFixed(6) : `${BigInt(value)}.000000`;
}
