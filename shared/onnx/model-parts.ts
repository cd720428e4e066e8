/**
 * All of a model, wherever it lies: graphs hold nodes, nodes hold constants and further graphs (`If`, `Loop`, `Scan`), and
 * beside the main graph stand functions and training graphs. What must hold of every constant is asked of these.
 */
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  SparseTensorProto,
  TensorProto,
} from './model-proto.ts';

/** What a graph and a function have in common. */
type Body = Pick<GraphProto, 'node'> & Partial<Pick<GraphProto, 'initializer' | 'sparse_initializer'>>;

export interface PlacedTensor {
  readonly tensor: TensorProto;
  /** The tensor's own name, or the attribute and node that hold it. */
  readonly place: string;
}

/** Every node, those of inner graphs, functions and training graphs included. */
export function* modelNodes(model: ModelProto): Generator<NodeProto> {
  for (const body of bodiesOf(model)) yield* body.node;
}

/** Every constant: initializers, sparse ones, and the tensors of attributes. */
export function* modelTensors(model: ModelProto): Generator<PlacedTensor> {
  for (const body of bodiesOf(model)) {
    for (const tensor of body.initializer ?? []) yield { tensor, place: `"${tensor.name ?? ''}"` };
    for (const sparse of body.sparse_initializer ?? []) yield* sparseTensors(sparse, 'a sparse weight');
    for (const node of body.node) {
      for (const attribute of node.attribute) yield* attributeTensors(attribute, placeOf(attribute, node));
    }
  }
  for (const { name, attribute_proto: defaults = [] } of model.functions ?? []) {
    for (const attribute of defaults) yield* attributeTensors(attribute, `a default of function "${name}"`);
  }
}

/** An attribute and its node, for messages. */
export function placeOf(attribute: AttributeProto, node: NodeProto): string {
  return `"${attribute.name}" of the ${node.op_type} node "${node.name || (node.output[0] ?? '')}"`;
}

function* bodiesOf(model: ModelProto): Generator<Body> {
  if (model.graph) yield* withInner(model.graph);
  for (const body of model.functions ?? []) yield* withInner(body);
  for (const { initialization, algorithm } of model.training_info ?? []) {
    if (initialization) yield* withInner(initialization);
    if (algorithm) yield* withInner(algorithm);
  }
}

/** Depth is bounded by the decoder, which refuses what is nested deeper than it recurses itself. */
function* withInner(body: Body): Generator<Body> {
  yield body;
  for (const node of body.node) {
    for (const { g, graphs = [] } of node.attribute) {
      if (g) yield* withInner(g);
      for (const graph of graphs) yield* withInner(graph);
    }
  }
}

function* attributeTensors(attribute: AttributeProto, place: string): Generator<PlacedTensor> {
  const { t, tensors = [], sparse_tensor: sparse, sparse_tensors: sparses = [] } = attribute;
  for (const tensor of t ? [t, ...tensors] : tensors) yield { tensor, place };
  for (const one of sparse ? [sparse, ...sparses] : sparses) yield* sparseTensors(one, place);
}

function* sparseTensors({ values, indices }: SparseTensorProto, place: string): Generator<PlacedTensor> {
  for (const tensor of [values, indices]) {
    if (tensor) yield { tensor, place: tensor.name ? `"${tensor.name}"` : place };
  }
}
