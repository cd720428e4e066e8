/**
 * Builds small ONNX models (IR version 8, opset 13) node by node: what the trainer exports, and what tests and benches
 * run on. The builder writes what it is told; only a runtime says whether the graph makes sense.
 */
import { encodeNumbers } from '../inference/tensor-values.ts';
import { datatypeOfName, type ElementName } from './element-datatypes.ts';
import {
  type AttributeProto,
  attributeType,
  elementType,
  encodeModel,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './model-proto.ts';

/** A dimension: a size, or the name of one that may vary. */
export type Dimension = number | string;

/** An attribute: a string, a list of strings, `int(…)`, `float(…)`, or a graph. Plain numbers would leave int or float open. */
export type AttributeValue =
  | string
  | readonly string[]
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | {
      readonly tensor: {
        readonly element: ElementName;
        readonly dims: readonly number[];
        readonly values: readonly number[];
      };
    };

export interface NodeOptions {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Operator domain; the default is ONNX's own, `ai.onnx.ml` holds the classic models. */
  readonly domain?: string;
}

const IR_VERSION = 8;
const IR_VERSION_NEW = 10;
const OPSET = 13;
const ML_OPSET = 3;

export interface ModelBuilderOptions {
  /** Version of ONNX's own operators; the default is 13. From 19 on the file says IR version 10, before that 8. */
  readonly opset?: number;
}

/** Collects a graph; `encode()` gives the file's bytes. Methods return the builder, so that calls can be chained. */
export class ModelBuilder {
  readonly #name: string;
  readonly #opset: number;
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #metadata = new Map<string, string>();

  constructor(name: string, { opset = OPSET }: ModelBuilderOptions = {}) {
    this.#name = name;
    this.#opset = opset;
  }

  input(name: string, element: ElementName, dims: readonly Dimension[]): this {
    this.#inputs.push(valueInfo(name, element, dims));
    return this;
  }

  output(name: string, element: ElementName, dims: readonly Dimension[]): this {
    this.#outputs.push(valueInfo(name, element, dims));
    return this;
  }

  /** A constant of the graph, row-major. Throws RangeError when the count of values is not that of `dims`. */
  constant(name: string, element: ElementName, dims: readonly number[], values: ArrayLike<number>): this {
    this.#initializers.push(tensorProto(name, element, dims, values));
    return this;
  }

  node(operator: string, { inputs, outputs, attributes = {}, domain = '' }: NodeOptions): this {
    this.#nodes.push({
      input: inputs,
      output: outputs,
      name: `${operator}_${this.#nodes.length}`,
      op_type: operator,
      domain,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return this;
  }

  metadata(key: string, value: string): this {
    this.#metadata.set(key, value);
    return this;
  }

  encode(): Uint8Array {
    const usesMl = this.#nodes.some((node) => node.domain === 'ai.onnx.ml');
    return encodeModel({
      ir_version: this.#opset >= 19 ? IR_VERSION_NEW : IR_VERSION,
      opset_import: [
        { domain: '', version: this.#opset },
        ...(usesMl ? [{ domain: 'ai.onnx.ml', version: ML_OPSET }] : []),
      ],
      producer_name: 'modelfleet',
      producer_version: '1',
      graph: {
        node: this.#nodes,
        name: this.#name,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
      metadata_props: [...this.#metadata].map(([key, value]) => ({ key, value })),
    });
  }
}

function valueInfo(name: string, element: ElementName, dims: readonly Dimension[]): ValueInfoProto {
  const dim = dims.map((d) => (typeof d === 'number' ? { dim_value: d } : { dim_param: d }));
  return { name, type: { tensor_type: { elem_type: elementType[element], shape: { dim } } } };
}

function tensorProto(
  name: string,
  element: ElementName,
  dims: readonly number[],
  values: ArrayLike<number>,
): TensorProto {
  const count = dims.reduce((product, size) => product * size, 1);
  if (values.length !== count) {
    throw new RangeError(
      `Cannot write tensor "${name}": shape [${dims}] wants ${count} values, found ${values.length}.`,
    );
  }
  const datatype = datatypeOfName(element);
  if (datatype === undefined) throw new RangeError(`Cannot write constants of element type ${element}.`);
  return { dims, data_type: elementType[element], name, raw_data: encodeNumbers(datatype, values) };
}

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'string') return { name, type: attributeType.string, s: Buffer.from(value) };
  if (Array.isArray(value)) {
    return { name, type: attributeType.strings, strings: value.map((text: string) => Buffer.from(text)) };
  }
  const typed = value as Exclude<AttributeValue, string | readonly string[]>;
  if ('int' in typed) return { name, type: attributeType.int, i: typed.int };
  if ('float' in typed) return { name, type: attributeType.float, f: typed.float };
  if ('ints' in typed) return { name, type: attributeType.ints, ints: typed.ints };
  if ('floats' in typed) return { name, type: attributeType.floats, floats: typed.floats };
  const { element, dims, values } = typed.tensor;
  return { name, type: attributeType.tensor, t: tensorProto('', element, dims, values) };
}
