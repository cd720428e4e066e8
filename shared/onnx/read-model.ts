/**
 * What an ONNX file declares about itself: inputs, outputs, operator sets, metadata. The bytes are hostile: whatever
 * they are, the answer is an interface within our limits or a coded error. Nothing here says that the model runs.
 */
import { isUtf8 } from 'node:buffer';
import { AppError, errorText } from '../base/app-error.ts';
import { limits } from '../base/limits.ts';
import type { TensorSpec } from '../inference/tensor.ts';
import { type ClassLabels, classLabels, producerOf } from './class-labels.ts';
import { datatypeOf, elementText, isLoaded } from './element-datatypes.ts';
import { fileKind } from './file-kind.ts';
import { modelNodes, modelTensors, placeOf } from './model-parts.ts';
import { decodeModel, type GraphProto, type ModelProto, type ValueInfoProto } from './model-proto.ts';

const NAME_CHARS_MAX = 256;
const CONTROL = /\p{Cc}/u;

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
  /** What a classifier in the file says that its outputs' classes are, in order. */
  readonly classLabels: ReadonlyMap<string, ClassLabels>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the interface of an ONNX file. Throws `model_file_invalid` for bytes that are no model, `model_unsupported` for
 * a model whose inputs, or all of whose outputs, cannot be served, `too_large` past a named limit.
 */
export function readOnnxInterface(bytes: Uint8Array): OnnxInterface {
  const { model, graph } = decode(bytes);
  const sparse = graph.sparse_initializer?.flatMap(({ values }) => values ?? []) ?? [];
  const initializers = new Set([...graph.initializer, ...sparse].map((tensor) => tensor.name));
  refuseOutsideData(model);
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
    if (!read.ok) {
      const element = output.type?.tensor_type?.elem_type;
      if (element !== undefined && !isLoaded(element)) {
        throw unsupported(
          `output "${quoted(output.name)}" ${read.reason}, and ONNX Runtime for Node cannot load a model with such an output; cast it to float, or export the model without it`,
        );
      }
      leftOut.push({ name: quoted(output.name), reason: `${read.reason}${wayOut(graph, output)}` });
    } else if (read.spec.name === '__proto__') {
      // Its answers come as an object, where this name is the prototype and no entry.
      const reason = 'has a name that ONNX Runtime for Node cannot answer with; rename it';
      leftOut.push({ name: read.spec.name, reason });
    } else {
      outputs.push(read.spec);
      if (read.unranked) unranked.push(read.spec.name);
    }
  }
  if (outputs.length === 0) {
    throw unsupported(leftOut.map((o) => `output "${o.name}" ${o.reason}`).join('; ') || 'it has no outputs');
  }
  checkDistinct([...inputs.map((t) => t.name)], 'input');
  checkDistinct([...outputs.map((t) => t.name)], 'output');
  if (outputs.some((output) => output.datatype === 'BYTES')) refuseForeignTexts(model);
  return {
    irVersion: model.ir_version ?? 0,
    opsets: model.opset_import.map((o) => ({ domain: o.domain ?? '', version: o.version ?? 0 })),
    producer: `${model.producer_name ?? ''} ${model.producer_version ?? ''}`.trim(),
    inputs,
    outputs,
    unranked,
    leftOut,
    classLabels: new Map(
      outputs.flatMap(({ name }) => {
        const labels = classLabels(graph, name);
        return labels ? [[name, labels] as const] : [];
      }),
    ),
    metadata: Object.fromEntries(model.metadata_props.map((p) => [p.key ?? '', p.value ?? ''])),
  };
}

function decode(bytes: Uint8Array): { model: ModelProto; graph: GraphProto } {
  if (bytes.byteLength > limits.artifactBytesMax) {
    throw new AppError(
      'too_large',
      `Cannot read the ONNX model: it has ${bytes.byteLength} bytes, but at most ${limits.artifactBytesMax} are allowed.`,
    );
  }
  let model: ModelProto;
  try {
    model = decodeModel(bytes);
  } catch (cause) {
    throw foreign(bytes) ?? invalid(`its protobuf is damaged or cut short (${errorText(cause)})`, cause);
  }
  if (model.graph === undefined) throw foreign(bytes) ?? invalid('it contains no graph');
  if (model.graph.node.length === 0) throw invalid('its graph contains no nodes');
  return { model, graph: model.graph };
}

type ReadSpec =
  | { readonly ok: true; readonly spec: TensorSpec; readonly unranked: boolean }
  | { readonly ok: false; readonly reason: string };

function readSpec(value: ValueInfoProto): ReadSpec {
  const name = value.name ?? '';
  if (name.length === 0) throw invalid('an input or output has no name');
  if (name.length > NAME_CHARS_MAX) {
    const start = JSON.stringify(quoted(name));
    throw unsupported(
      `the name ${start} has ${name.length} characters, but at most ${NAME_CHARS_MAX} can be served`,
    );
  }
  if (CONTROL.test(name))
    throw invalid(`the name ${JSON.stringify(quoted(name))} contains a control character`);
  // The decoder puts these in place of bytes that are no text; the runtime knows the tensor by another name.
  if (!name.isWellFormed() || name.includes('\ufffd')) {
    throw invalid(`the name ${JSON.stringify(quoted(name))} is not UTF-8`);
  }
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
      `Cannot read the ONNX model: "${quoted(name)}" has rank ${dims.length}, but at most ${limits.tensorRankMax} is allowed.`,
    );
  }
  const shape = dims.map(({ dim_value: size }) => (size === undefined || size < 0 ? -1 : size));
  if (!shape.every(Number.isSafeInteger)) throw invalid(`"${quoted(name)}" has a dimension out of range`);
  return { ok: true, spec: { name, datatype, shape }, unranked: tensor.shape === undefined };
}

/** How to export a model so that what an output holds can be served; empty where nobody knows. */
function wayOut(graph: GraphProto, { name, type }: ValueInfoProto): string {
  const producer = producerOf(graph, name ?? '');
  if (producer?.op_type === 'ZipMap') {
    return `: ZipMap makes it from the tensor "${quoted(producer.input[0])}"; export the model without it (options={"zipmap": False} in skl2onnx, zipmap=False in onnxmltools) to have the probabilities`;
  }
  return type?.sequence_type || type?.map_type || type?.optional_type
    ? '; export its tensors as outputs of their own'
    : '';
}

function kindOf({ type }: ValueInfoProto): string {
  if (type?.sequence_type) return 'a sequence';
  if (type?.map_type) return 'a map';
  if (type?.optional_type) return 'an optional';
  if (type?.sparse_tensor_type) return 'a sparse tensor';
  return 'of an undeclared type';
}

/** Weights in side files would be bytes that no signature covers. */
function refuseOutsideData(model: ModelProto): void {
  const fix = 'save it with its weights inside (onnx.save_model with save_as_external_data=False)';
  for (const { tensor, place } of modelTensors(model)) {
    const isOutside = tensor.data_location === 1 || (tensor.external_data?.length ?? 0) > 0;
    if (isOutside) throw unsupported(`weight ${place} is kept in another file; ${fix}`);
  }
  for (const node of modelNodes(model)) {
    const isOutside =
      node.op_type === 'EPContext' &&
      node.attribute.some((attribute) => attribute.name === 'embed_mode' && attribute.i === 0);
    if (isOutside) throw unsupported(`its compiled part "${quoted(node.name)}" is kept in another file`);
  }
}

/** ONNX Runtime for Node puts U+FFFD in place of what is not UTF-8, so a text output would not be the model's own. */
function refuseForeignTexts(model: ModelProto): void {
  const isForeign = (texts: readonly Uint8Array[] = []) => texts.some((text) => !isUtf8(text));
  for (const { tensor, place } of modelTensors(model)) {
    if (isForeign(tensor.string_data)) throw unsupported(`constant ${place} contains text that is not UTF-8`);
  }
  for (const node of modelNodes(model)) {
    const attribute = node.attribute.find(({ s, strings }) => isForeign(s ? [s] : []) || isForeign(strings));
    if (attribute) throw unsupported(`attribute ${placeOf(attribute, node)} contains text that is not UTF-8`);
  }
}

function checkCount(what: string, count: number): void {
  if (count <= limits.tensorsPerModelMax) return;
  throw new AppError(
    'too_large',
    `Cannot read the ONNX model: it has ${count} ${what}, but at most ${limits.tensorsPerModelMax} are allowed.`,
  );
}

function checkDistinct(names: readonly string[], what: string): void {
  // Composed, so that no two look the same.
  const composed = names.map((name) => name.normalize('NFC'));
  const twice = composed.find((name, index) => composed.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`two ${what}s are named "${quoted(twice)}"`);
}

/** The refusal of a file that is something else; undefined where its bytes do not say what. */
function foreign(bytes: Uint8Array): AppError | undefined {
  const kind = fileKind(bytes);
  return kind === undefined ? undefined : invalid(`it is ${kind}`);
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
