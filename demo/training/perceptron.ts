/**
 * A multilayer perceptron for regression on a handful of columns: inputs standardised, ReLU layers, one linear output,
 * mean squared error. Small enough to be trained in seconds, and plain enough to be written as seven ONNX nodes.
 */
import type { Random } from '../../shared/base/clock.ts';
import { normalSource } from '../gas-sensors/normal-source.ts';

/** One dense layer: `outputs = relu?(inputs·weights + bias)`, weights row-major by input. */
export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

export interface Perceptron {
  /** Subtracted from each input, before the division by `scale`. */
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  readonly layers: readonly Layer[];
}

/** A perceptron with weights drawn for ReLU (He et al. 2015): variance 2 / inputs. */
export function drawPerceptron(
  sizes: readonly number[],
  {
    mean,
    scale,
    random,
  }: { readonly mean: Float64Array; readonly scale: Float64Array; readonly random: Random },
): Perceptron {
  const normal = normalSource(random);
  const layers = sizes.slice(1).map((outputs, i) => {
    const inputs = sizes[i]!;
    const spread = Math.sqrt(2 / inputs);
    return {
      inputs,
      outputs,
      weights: Float64Array.from({ length: inputs * outputs }, () => spread * normal()),
      bias: new Float64Array(outputs),
    };
  });
  return { mean, scale, layers };
}

/** Activations of every layer, the standardised input first; buffers are the caller's, to be used again. */
export function forward(
  net: Perceptron,
  row: ArrayLike<number>,
  activations: readonly Float64Array[],
): number {
  const [first] = activations;
  for (let i = 0; i < first!.length; i += 1) first![i] = (row[i]! - net.mean[i]!) / net.scale[i]!;
  for (const [depth, { inputs, outputs, weights, bias }] of net.layers.entries()) {
    const from = activations[depth]!;
    const to = activations[depth + 1]!;
    const last = depth === net.layers.length - 1;
    for (let o = 0; o < outputs; o += 1) {
      let sum = bias[o]!;
      for (let i = 0; i < inputs; i += 1) sum += from[i]! * weights[i * outputs + o]!;
      to[o] = last || sum > 0 ? sum : 0;
    }
  }
  return activations.at(-1)![0]!;
}

/** Buffers for `forward()`. */
export function activationsOf(net: Perceptron): Float64Array[] {
  return [new Float64Array(net.mean.length), ...net.layers.map(({ outputs }) => new Float64Array(outputs))];
}

/** The net's answer to one row. */
export function predict(net: Perceptron, row: ArrayLike<number>): number {
  return forward(net, row, activationsOf(net));
}

export interface ErrorFigures {
  readonly mae: number;
  readonly rmse: number;
}

/** Mean absolute and root mean squared error over rows. */
export function errorOf(
  net: Perceptron,
  rows: readonly ArrayLike<number>[],
  targets: ArrayLike<number>,
): ErrorFigures {
  const buffers = activationsOf(net);
  let absolute = 0;
  let squared = 0;
  for (const [i, row] of rows.entries()) {
    const error = forward(net, row, buffers) - targets[i]!;
    absolute += Math.abs(error);
    squared += error * error;
  }
  return { mae: absolute / rows.length, rmse: Math.sqrt(squared / rows.length) };
}
