/**
 * Linear discriminant analysis with a diagonal covariance that all kinds share (Fisher 1936; Hastie, Tibshirani and Friedman,
 * The Elements of Statistical Learning, §4.3): the score of a kind is linear in the sizes, and the softmax of the scores is
 * its probability when each kind is as frequent.
 */
import { ModelBuilder } from '../../shared/onnx/write-model.ts';
import { type Flower, kinds, measures } from './flowers.ts';

export interface Classifier {
  /** Sizes × kinds, row-major. */
  readonly weights: readonly number[];
  readonly bias: readonly number[];
}

export function train(flowers: readonly Flower[]): Classifier {
  const means = kinds.map((kind) => {
    const own = flowers.filter((flower) => flower.kind === kind);
    return measures.map((_, at) => own.reduce((sum, { sizes }) => sum + sizes[at]!, 0) / own.length);
  });
  const variances = measures.map((_, at) => {
    const squares = flowers.map(({ kind, sizes }) => (sizes[at]! - means[kinds.indexOf(kind)]![at]!) ** 2);
    return squares.reduce((sum, square) => sum + square, 0) / (flowers.length - kinds.length);
  });
  return {
    weights: variances.flatMap((variance, at) => means.map((mean) => mean[at]! / variance)),
    bias: means.map((mean) => -mean.reduce((sum, size, at) => sum + size ** 2 / variances[at]!, 0) / 2),
  };
}

/** `input` f32[-1, 4] → `output` f32[-1, 3], the probability of each kind. */
export function exportModel({ weights, bias }: Classifier): Uint8Array {
  return new ModelBuilder('iris')
    .input('input', 'float', ['batch', measures.length])
    .constant('weights', 'float', [measures.length, kinds.length], weights)
    .constant('bias', 'float', [kinds.length], bias)
    .node('Gemm', { inputs: ['input', 'weights', 'bias'], outputs: ['scores'] })
    .node('Softmax', { inputs: ['scores'], outputs: ['output'] })
    .output('output', 'float', ['batch', kinds.length])
    .encode();
}
