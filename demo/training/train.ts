/**
 * Trains a perceptron by Adam (Kingma and Ba 2015) on minibatches, with the learning rate falling along a half cosine
 * (Loshchilov and Hutter 2017). Seeded: the same rows and seed give the same weights.
 */
import type { Random } from '../../shared/base/clock.ts';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import { activationsOf, drawPerceptron, forward, type Perceptron } from './perceptron.ts';

export interface TrainingOptions {
  readonly rows: readonly ArrayLike<number>[];
  readonly targets: ArrayLike<number>;
  /** Sizes of the hidden layers. */
  readonly hidden?: readonly number[];
  readonly seed: number;
  /** Minibatch steps; the work is the same however many rows there are. */
  readonly steps?: number;
  readonly batchRows?: number;
  readonly learningRate?: number;
  /** L2 penalty on the weights, added to their gradient. */
  readonly weightDecay?: number;
}

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Throws RangeError when there are no rows. */
export function train(options: TrainingOptions): Perceptron {
  const { rows, targets, hidden = [16, 8], steps = 6_000, batchRows = 32 } = options;
  const { learningRate = 5e-3, weightDecay = 1e-4, seed } = options;
  if (rows.length === 0) throw new RangeError('Cannot train: there are no rows.');
  const random = seededRandom(seed);
  const net = drawPerceptron([rows[0]!.length, ...hidden, 1], { ...standardisation(rows), random });
  const adam = net.layers.map(({ weights, bias }) => ({
    weights: new Adam(weights),
    bias: new Adam(bias),
  }));
  const activations = activationsOf(net);
  const deltas = activations.map((a) => new Float64Array(a.length));
  const order = shuffledForever(rows.length, random);
  for (let step = 1; step <= steps; step += 1) {
    for (let i = 0; i < batchRows; i += 1) {
      const row = order();
      deltas.at(-1)![0] = (2 / batchRows) * (forward(net, rows[row]!, activations) - targets[row]!);
      backward(net, activations, deltas, adam);
    }
    const rate = learningRate * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
    for (const { weights, bias } of adam) {
      weights.step(rate, step, weightDecay);
      bias.step(rate, step, 0);
    }
  }
  return net;
}

/** Adds the gradients of one row. `deltas` holds the loss's derivative by the output on entry. */
function backward(
  net: Perceptron,
  activations: readonly Float64Array[],
  deltas: readonly Float64Array[],
  adam: readonly { readonly weights: Adam; readonly bias: Adam }[],
): void {
  for (let depth = net.layers.length - 1; depth >= 0; depth -= 1) {
    const { inputs, outputs, weights } = net.layers[depth]!;
    const from = activations[depth]!;
    const delta = deltas[depth + 1]!;
    const below = deltas[depth]!;
    const gradient = adam[depth]!.weights.gradient;
    for (let i = 0; i < inputs; i += 1) {
      let sum = 0;
      for (let o = 0; o < outputs; o += 1) {
        gradient[i * outputs + o]! += from[i]! * delta[o]!;
        sum += weights[i * outputs + o]! * delta[o]!;
      }
      // The derivative of ReLU; the standardised inputs of depth 0 need none.
      below[i] = from[i]! > 0 ? sum : 0;
    }
    for (let o = 0; o < outputs; o += 1) adam[depth]!.bias.gradient[o]! += delta[o]!;
  }
}

class Adam {
  readonly gradient: Float64Array;
  readonly #values: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;

  constructor(values: Float64Array) {
    this.#values = values;
    this.gradient = new Float64Array(values.length);
    this.#first = new Float64Array(values.length);
    this.#second = new Float64Array(values.length);
  }

  /** Moves the values against the gradient and clears it. */
  step(rate: number, step: number, decay: number): void {
    const scale = (rate * Math.sqrt(1 - BETA2 ** step)) / (1 - BETA1 ** step);
    for (let i = 0; i < this.#values.length; i += 1) {
      const gradient = this.gradient[i]! + decay * this.#values[i]!;
      this.#first[i] = BETA1 * this.#first[i]! + (1 - BETA1) * gradient;
      this.#second[i] = BETA2 * this.#second[i]! + (1 - BETA2) * gradient * gradient;
      this.#values[i]! -= (scale * this.#first[i]!) / (Math.sqrt(this.#second[i]!) + EPSILON);
      this.gradient[i] = 0;
    }
  }
}

/** Mean and standard deviation of each column; a constant column gets scale 1. */
function standardisation(rows: readonly ArrayLike<number>[]): { mean: Float64Array; scale: Float64Array } {
  const columns = rows[0]!.length;
  const mean = new Float64Array(columns);
  const scale = new Float64Array(columns);
  for (const row of rows) for (let i = 0; i < columns; i += 1) mean[i]! += row[i]! / rows.length;
  for (const row of rows) {
    for (let i = 0; i < columns; i += 1) scale[i]! += (row[i]! - mean[i]!) ** 2 / rows.length;
  }
  return { mean, scale: scale.map((variance) => Math.sqrt(variance) || 1) };
}

/** Row numbers, each once before any comes again (Fisher and Yates). */
function shuffledForever(count: number, random: Random): () => number {
  const order = Array.from({ length: count }, (_, i) => i);
  let next = count;
  return () => {
    if (next === count) {
      for (let i = count - 1; i > 0; i -= 1) {
        const j = Math.floor(random() * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      next = 0;
    }
    next += 1;
    return order[next - 1]!;
  };
}
