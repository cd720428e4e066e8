/**
 * The classes that a classifier of `ai.onnx.ml` says it knows: what its label output gives, and what the columns of its
 * scores stand for, in order.
 */
import type { GraphProto, NodeProto } from './model-proto.ts';

export type ClassLabels = readonly (number | string)[];

const CLASSIFIERS = new Set(['TreeEnsembleClassifier', 'LinearClassifier', 'SVMClassifier']);
/** What stands between a classifier and an output without changing which class is which. */
const CARRIERS = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Normalizer', 'ZipMap']);
const STEPS_MAX = 8;

/** The classes behind an output; undefined where no classifier of the main graph gives it. */
export function classLabels(graph: GraphProto, output: string): ClassLabels | undefined {
  const node = sourceOf(graph, output);
  if (node === undefined || !CLASSIFIERS.has(node.op_type)) return undefined;
  for (const { name, ints = [], strings = [] } of node.attribute) {
    if (name === 'classlabels_int64s' || name === 'classlabels_ints') return ints;
    if (name === 'classlabels_strings') return strings.map((text) => Buffer.from(text).toString('utf8'));
  }
  return undefined;
}

/** The node that gives a value. */
export function producerOf(graph: GraphProto, value: string): NodeProto | undefined {
  return graph.node.find((node) => node.output.includes(value));
}

function sourceOf(graph: GraphProto, output: string): NodeProto | undefined {
  let node = producerOf(graph, output);
  for (let step = 0; step < STEPS_MAX && node && CARRIERS.has(node.op_type); step += 1) {
    node = node.input[0] === undefined ? undefined : producerOf(graph, node.input[0]);
  }
  return node;
}
