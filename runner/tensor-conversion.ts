/**
 * Tensors between the wire form of modelfleet (raw little-endian bytes) and ONNX Runtime's. Every machine ONNX Runtime
 * for Node exists for is little-endian, so numeric data is the same bytes under another view.
 */
import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { AppError } from '../shared/base/app-error.ts';
import {
  alignedData,
  checkTensorBytes,
  encodeStrings,
  inputTextFault,
  quoteText,
} from '../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../shared/inference/tensor.ts';
import { elementCount, textsOf } from '../shared/inference/tensor-values.ts';

type OrtTensorClass = typeof OrtTensor;
type OrtData = OrtTensor.DataTypeMap[OrtTensor.Type];

interface Kind {
  readonly type: OrtTensor.Type;
  readonly view: new (buffer: ArrayBuffer, byteOffset: number, length: number) => OrtData;
}

/** FP16 travels as its bits in a Uint16Array; `session-host.ts` says why. */
const kinds: Readonly<Record<Exclude<Datatype, 'BYTES'>, Kind>> = {
  BOOL: { type: 'bool', view: Uint8Array },
  UINT8: { type: 'uint8', view: Uint8Array },
  UINT16: { type: 'uint16', view: Uint16Array },
  UINT32: { type: 'uint32', view: Uint32Array },
  UINT64: { type: 'uint64', view: BigUint64Array },
  INT8: { type: 'int8', view: Int8Array },
  INT16: { type: 'int16', view: Int16Array },
  INT32: { type: 'int32', view: Int32Array },
  INT64: { type: 'int64', view: BigInt64Array },
  FP16: { type: 'float16', view: Uint16Array },
  FP32: { type: 'float32', view: Float32Array },
  FP64: { type: 'float64', view: Float64Array },
};

const datatypes = new Map<string, Datatype>([['string', 'BYTES']]);
for (const [datatype, kind] of Object.entries(kinds)) datatypes.set(kind.type, datatype as Datatype);

/** The Open Inference Protocol datatype of an ONNX Runtime element type; undefined where it has none (int4, uint4). */
export function datatypeOf(type: string): Datatype | undefined {
  return datatypes.get(type);
}

/**
 * Makes ONNX Runtime's tensor. Throws `tensor_invalid` when the bytes are not those of the shape and datatype, and for
 * a text that ONNX Runtime would change.
 */
export function toOrt(tensor: Tensor, OrtTensor: OrtTensorClass): OrtTensor {
  const { datatype, shape } = tensor;
  checkTensorBytes(tensor);
  if (datatype === 'BYTES') return new OrtTensor('string', inputTexts(tensor), shape);
  const kind = kinds[datatype];
  const { buffer, byteOffset } = alignedData(tensor);
  const values = new kind.view(buffer, byteOffset, elementCount(shape));
  return new OrtTensor(kind.type, values as OrtTensor.DataTypeMap['float32'], shape);
}

function inputTexts(tensor: Tensor): string[] {
  const texts = textsOf(tensor);
  for (const [element, text] of texts.entries()) {
    const fault = inputTextFault(text);
    if (fault === undefined) continue;
    throw new AppError(
      'tensor_invalid',
      `Cannot run the model: element ${element} of input "${tensor.name}" is ${quoteText(text)}: it ${fault}.`,
    );
  }
  return texts;
}

/** Bytes that `fromOrt` will hand out, told before it makes them. */
export function answerBytes({ type, data }: OrtTensor): number {
  if (type !== 'string') return (data as Exclude<OrtData, string[]>).byteLength;
  let bytes = 0;
  for (const text of data as string[]) bytes += 4 + Buffer.byteLength(text);
  return bytes;
}

/** Makes our tensor. Throws `tensor_type_unsupported` for an element type the protocol has no name for. */
export function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const datatype = datatypeOf(tensor.type);
  if (datatype === undefined) {
    throw new AppError(
      'tensor_type_unsupported',
      `Cannot answer with "${name}": its type ${tensor.type} is not supported.`,
    );
  }
  const shape = [...tensor.dims];
  if (datatype === 'BYTES') return { name, datatype, shape, data: encodeStrings(tensor.data as string[]) };
  const { buffer, byteOffset, byteLength } = tensor.data as Exclude<OrtData, string[]>;
  return { name, datatype, shape, data: new Uint8Array(buffer, byteOffset, byteLength) };
}
