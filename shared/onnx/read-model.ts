/**
 * What an ONNX file declares about itself: inputs, outputs, operator sets, metadata. The bytes are hostile: whatever
 * they are, the answer is an interface within our limits or a coded error. Nothing here says that the model runs.
 */
import { AppError, errorText } from '../base/app-error.ts';
import { limits } from '../base/limits.ts';
import type { TensorSpec } from '../inference/tensor.ts';
import { datatypeOf, elementText } from './element-datatypes.ts';
import { decodeModel, type GraphProto, type ModelProto, type ValueInfoProto } from './model-proto.ts';

export interface OnnxInterface {
  readonly irVersion: number;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly producer: string;
  /** Inputs a caller must give; initializers, which older files list as inputs too, are left out. */
  readonly inputs: readonly TensorSpec[];
  /** Tensor outputs of a type modelfleet serves. */
  readonly outputs: readonly TensorSpec[];
  /** Outputs of `outputs` whose rank the file does not declare; their `shape` is [] until a run shows it. */
  readonly unranked: readonly string[];
  /** Outputs that cannot be served (sequences, maps, 4-bit numbers), each with the reason. Never ask a runtime for them. */
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the interface of an ONNX file. Throws `model_file_invalid` for bytes that are no model, `model_unsupported` for
 * a model whose inputs, or all of whose outputs, cannot be served, `too_large` past a named limit.
 */
export function readOnnxInterface(bytes: Uint8Array): OnnxInterface {
  const { model, graph } = decode(bytes);
  const initializers = new Set(graph.initializer.map((tensor) => tensor.name));
  refuseExternalData(graph);
  const declared = graph.input.filter((input) => !initializers.has(input.name));
  checkCount('inputs', declared.length);
  checkCount('outputs', graph.output.length);

  const inputs = declared.map((input) => {
    const read = readSpec(input);
    if (!read.ok) throw unsupported(`input "${quoted(input.name)}" ${read.reason}`);
    if (read.unranked) throw unsupported(`input "${quoted(input.name)}" declares no shape`);
    return read.spec;
  });
  const outputs: TensorSpec[] = [];
  const unranked: string[] = [];
  const leftOut: { name: string; reason: string }[] = [];
  for (const output of graph.output) {
    const read = readSpec(output);
    if (!read.ok) leftOut.push({ name: quoted(output.name), reason: read.reason });
    else {
      outputs.push(read.spec);
      if (read.unranked) unranked.push(read.spec.name);
    }
  }
  if (inputs.length === 0) throw unsupported('it has no inputs');
  if (outputs.length === 0) {
    throw unsupported(leftOut.map((o) => `output "${o.name}" ${o.reason}`).join('; ') || 'it has no outputs');
  }
  checkDistinct([...inputs.map((t) => t.name)], 'input');
  checkDistinct([...outputs.map((t) => t.name)], 'output');
  return {
    irVersion: model.ir_version ?? 0,
    opsets: model.opset_import.map((o) => ({ domain: o.domain ?? '', version: o.version ?? 0 })),
    producer: `${model.producer_name ?? ''} ${model.producer_version ?? ''}`.trim(),
    inputs,
    outputs,
    unranked,
    leftOut,
    metadata: Object.fromEntries(model.metadata_props.map((p) => [p.key ?? '', p.value ?? ''])),
  };
}

function decode(bytes: Uint8Array): { model: ModelProto; graph: GraphProto } {
  if (bytes.byteLength > limits.artifactBytesMax) {
    throw new AppError(
      'too_large',
      `Cannot read the ONNX model: ${bytes.byteLength} bytes, at most ${limits.artifactBytesMax} are allowed.`,
    );
  }
  let model: ModelProto;
  try {
    model = decodeModel(bytes);
  } catch (cause) {
    throw invalid(`its protobuf is damaged or cut short (${errorText(cause)})`, cause);
  }
  if (model.graph === undefined) throw invalid('it holds no graph');
  if (model.graph.node.length === 0) throw invalid('its graph holds no nodes');
  return { model, graph: model.graph };
}

type ReadSpec =
  | { readonly ok: true; readonly spec: TensorSpec; readonly unranked: boolean }
  | { readonly ok: false; readonly reason: string };

function readSpec(value: ValueInfoProto): ReadSpec {
  const name = value.name ?? '';
  if (name.length === 0 || name.length > 256)
    throw invalid('an input or output has no name, or one too long');
  const tensor = value.type?.tensor_type;
  if (tensor === undefined) return { ok: false, reason: `is ${kindOf(value)}, not a tensor` };
  const element = tensor.elem_type ?? 0;
  const datatype = datatypeOf(element);
  if (datatype === undefined) {
    return { ok: false, reason: `has element type ${elementText(element)}` };
  }
  const dims = tensor.shape?.dim ?? [];
  if (dims.length > limits.tensorRankMax) {
    throw new AppError(
      'too_large',
      `Cannot read the ONNX model: "${quoted(name)}" has rank ${dims.length}, at most ${limits.tensorRankMax} is allowed.`,
    );
  }
  const shape = dims.map(({ dim_value: size }) => (size === undefined || size < 0 ? -1 : size));
  if (!shape.every(Number.isSafeInteger)) throw invalid(`"${quoted(name)}" has a dimension out of range`);
  return { ok: true, spec: { name, datatype, shape }, unranked: tensor.shape === undefined };
}

function kindOf({ type }: ValueInfoProto): string {
  if (type?.sequence_type) return 'a sequence';
  if (type?.map_type) return 'a map';
  if (type?.optional_type) return 'an optional';
  if (type?.sparse_tensor_type) return 'a sparse tensor';
  return 'of an undeclared type';
}

/** Weights in side files would be bytes that no signature covers. */
function refuseExternalData(graph: GraphProto): void {
  const outside = graph.initializer.find((tensor) => tensor.data_location === 1);
  if (outside) throw unsupported(`weight "${quoted(outside.name)}" is kept in another file`);
}

function checkCount(what: string, count: number): void {
  if (count <= limits.tensorsPerModelMax) return;
  throw new AppError(
    'too_large',
    `Cannot read the ONNX model: it has ${count} ${what}, at most ${limits.tensorsPerModelMax} are allowed.`,
  );
}

function checkDistinct(names: readonly string[], what: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`two ${what}s are named "${quoted(twice)}"`);
}

function invalid(reason: string, cause?: unknown): AppError {
  return new AppError('model_file_invalid', `Cannot read the ONNX model: ${reason}.`, { cause });
}

function unsupported(reason: string): AppError {
  return new AppError('model_unsupported', `Cannot serve the ONNX model: ${reason}.`);
}

function quoted(name: string | undefined): string {
  return (name ?? '').slice(0, 80);
}
