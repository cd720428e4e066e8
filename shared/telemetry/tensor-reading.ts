/**
 * One tensor as its features are read from it: elements are decoded once, and each row's sums are taken in one pass
 * however many features ask for them. An image is hundreds of kilobytes, and counting it may not hold up requests.
 */
import { limits } from '../base/limits.ts';
import { type TensorValues, tensorValues } from '../inference/exact-values.ts';
import type { Tensor } from '../inference/tensor.ts';
import { elementCount } from '../inference/tensor-values.ts';

export interface RowMoments {
  readonly mean: number;
  /** Of the population. */
  readonly stddev: number;
}

export interface RowExtreme {
  readonly value: number;
  /** Where in the row it is found first. */
  readonly at: number;
}

type Elements = ArrayLike<number> | ArrayLike<bigint>;

/** Equal steps through elements: `blocks` blocks, `blockStep` apart, of `size` elements, `step` apart. */
interface Walk {
  readonly from: number;
  readonly blocks: number;
  readonly blockStep: number;
  readonly size: number;
  readonly step: number;
}

const NONE: RowMoments = { mean: Number.NaN, stddev: Number.NaN };

export class TensorReading {
  readonly elements: TensorValues;
  readonly #tensor: Tensor;
  readonly #moments = new Map<string, readonly RowMoments[]>();

  /** `elements` are the tensor's where they are known. Throws `tensor_invalid` when the bytes are not those of shape and datatype. */
  constructor(tensor: Tensor, elements: TensorValues = tensorValues(tensor)) {
    this.#tensor = tensor;
    this.elements = elements;
  }

  /** Mean and deviation of each entry of the first axis; NaN for texts, for a row without elements and for one that holds NaN. */
  rowMoments(): readonly RowMoments[] {
    return this.#once('', () => {
      const { rows, size } = this.#rows();
      return rows.map((row) => ({ from: row * size, blocks: 1, blockStep: 0, size, step: 1 }));
    });
  }

  /** Mean and deviation of one channel of each image; an image of three axes is one, of four an entry of the first axis. */
  channelMoments(axis: number, channel: number): readonly RowMoments[] {
    return this.#once(`${axis} ${channel}`, () => {
      const { shape } = this.#tensor;
      const isOne = shape.length === 3;
      const [count, dims, at] = isOne ? [1, shape, axis] : [shape[0] ?? 1, shape.slice(1), axis - 1];
      const channels = dims[at] ?? 0;
      const size = channel < channels ? elementCount(dims.slice(at + 1)) : 0;
      const blocks = elementCount(dims.slice(0, at));
      const whole = elementCount(dims);
      return Array.from({ length: count }, (_, row) => {
        const from = row * whole + channel * size;
        // Channels last: blocks of one element are walked as one block of elements that lie apart.
        return size === 1
          ? { from, blocks: 1, blockStep: 0, size: blocks, step: channels }
          : { from, blocks, blockStep: channels * size, size, step: 1 };
      });
    });
  }

  /** The least or greatest element of each entry of the first axis, NaN as `rowMoments` says. */
  rowExtremes(which: 'min' | 'max'): readonly RowExtreme[] {
    const { rows, size } = this.#rows();
    if (size === 0 || this.#tensor.datatype === 'BYTES') {
      return rows.map(() => ({ value: Number.NaN, at: Number.NaN }));
    }
    const elements = this.elements as Elements;
    return rows.map((row) => extremeOf(elements, { from: row * size, size, sign: which === 'min' ? -1 : 1 }));
  }

  #rows(): { readonly rows: readonly number[]; readonly size: number } {
    const { shape } = this.#tensor;
    return {
      rows: Array.from({ length: shape[0] ?? 1 }, (_, row) => row),
      size: elementCount(shape.slice(1)),
    };
  }

  #once(key: string, walks: () => readonly Walk[]): readonly RowMoments[] {
    const known = this.#moments.get(key);
    if (known) return known;
    const isText = this.#tensor.datatype === 'BYTES';
    const moments = walks().map((walk) => (isText ? NONE : momentsOf(this.elements as Elements, walk)));
    this.#moments.set(key, moments);
    return moments;
  }
}

/** Sums of distances from the first element, so that squares of large values far from zero do not cancel. */
function momentsOf(elements: Elements, { from, blocks, blockStep, size, step }: Walk): RowMoments {
  const all = blocks * size;
  if (all === 0) return NONE;
  const skip = oddStep(all / limits.summaryElementsMax);
  const shift = Number(elements[from]);
  let n = 0;
  let sum = 0;
  let squares = 0;
  let start = 0;
  for (let block = 0; block < blocks; block += 1) {
    const at = from + block * blockStep;
    let i = start;
    for (; i < size; i += skip) {
      const distance = Number(elements[at + i * step]) - shift;
      n += 1;
      sum += distance;
      squares += distance * distance;
    }
    start = i - size;
  }
  const mean = sum / n;
  return { mean: shift + mean, stddev: Math.sqrt(Math.max(0, squares / n - mean * mean)) };
}

/** Odd, so that it seldom divides a row of pixels. */
function oddStep(least: number): number {
  return least <= 1 ? 1 : Math.ceil(least) | 1;
}

function extremeOf(
  elements: Elements,
  { from, size, sign }: { readonly from: number; readonly size: number; readonly sign: 1 | -1 },
): RowExtreme {
  let best = Number(elements[from]);
  let at = 0;
  for (let i = 0; i < size; i += 1) {
    const value = Number(elements[from + i]);
    if (Number.isNaN(value)) return { value: Number.NaN, at: Number.NaN };
    if (sign * (value - best) > 0) {
      best = value;
      at = i;
    }
  }
  return { value: best, at };
}
