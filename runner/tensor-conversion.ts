/**
 * Tensors between the wire form of modelfleet (raw little-endian bytes) and ONNX Runtime's. Every machine ONNX Runtime
 * for Node exists for is little-endian, so numeric data is the same bytes under another view.
 */
import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { AppError } from '../shared/base/app-error.ts';
import type { Datatype, Tensor } from '../shared/inference/tensor.ts';

type OrtTensorClass = typeof OrtTensor;
type OrtData = OrtTensor.DataTypeMap[OrtTensor.Type];

interface Kind {
  readonly type: OrtTensor.Type;
  readonly bytes: number;
  readonly view: new (buffer: ArrayBuffer, byteOffset: number, length: number) => OrtData;
}

/** FP16 travels as its bits in a Uint16Array; `session-host.ts` says why. */
const kinds: Readonly<Record<Exclude<Datatype, 'BYTES'>, Kind>> = {
  BOOL: { type: 'bool', bytes: 1, view: Uint8Array },
  UINT8: { type: 'uint8', bytes: 1, view: Uint8Array },
  UINT16: { type: 'uint16', bytes: 2, view: Uint16Array },
  UINT32: { type: 'uint32', bytes: 4, view: Uint32Array },
  UINT64: { type: 'uint64', bytes: 8, view: BigUint64Array },
  INT8: { type: 'int8', bytes: 1, view: Int8Array },
  INT16: { type: 'int16', bytes: 2, view: Int16Array },
  INT32: { type: 'int32', bytes: 4, view: Int32Array },
  INT64: { type: 'int64', bytes: 8, view: BigInt64Array },
  FP16: { type: 'float16', bytes: 2, view: Uint16Array },
  FP32: { type: 'float32', bytes: 4, view: Float32Array },
  FP64: { type: 'float64', bytes: 8, view: Float64Array },
};

const datatypes = new Map<string, Datatype>([['string', 'BYTES']]);
for (const [datatype, kind] of Object.entries(kinds)) datatypes.set(kind.type, datatype as Datatype);

/** The Open Inference Protocol datatype of an ONNX Runtime element type; undefined where it has none (int4, uint4). */
export function datatypeOf(type: string): Datatype | undefined {
  return datatypes.get(type);
}

/** Makes ONNX Runtime's tensor. Throws `tensor_invalid` when the bytes are not those of the shape and datatype. */
export function toOrt(tensor: Tensor, OrtTensor: OrtTensorClass): OrtTensor {
  const { name, datatype, shape, data } = tensor;
  const count = shape.reduce((product, size) => product * size, 1);
  if (datatype === 'BYTES') return new OrtTensor('string', readStrings(tensor, count), shape);
  const kind = kinds[datatype];
  if (data.byteLength !== count * kind.bytes) {
    throw new AppError(
      'tensor_invalid',
      `Cannot run on "${name}": ${data.byteLength} bytes, ${datatype} [${shape}] wants ${count * kind.bytes}.`,
    );
  }
  const bytes = data.byteOffset % kind.bytes === 0 ? data : data.slice();
  const values = new kind.view(bytes.buffer as ArrayBuffer, bytes.byteOffset, count);
  return new OrtTensor(kind.type, values as OrtTensor.DataTypeMap['float32'], shape);
}

/** Makes our tensor. Throws `tensor_type_unsupported` for an element type the protocol has no name for. */
export function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const datatype = datatypeOf(tensor.type);
  if (datatype === undefined) {
    throw new AppError(
      'tensor_type_unsupported',
      `Cannot answer with "${name}": its type is ${tensor.type}.`,
    );
  }
  const shape = [...tensor.dims];
  if (datatype === 'BYTES') return { name, datatype, shape, data: writeStrings(tensor.data as string[]) };
  const { buffer, byteOffset, byteLength } = tensor.data as Exclude<OrtData, string[]>;
  return { name, datatype, shape, data: new Uint8Array(buffer, byteOffset, byteLength) };
}

function readStrings({ name, data }: Tensor, count: number): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const strings: string[] = [];
  let at = 0;
  try {
    while (at < data.byteLength) {
      const length = view.getUint32(at, true);
      if (at + 4 + length > data.byteLength) throw new RangeError('element past the end');
      strings.push(decoder.decode(data.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
  } catch (cause) {
    throw new AppError('tensor_invalid', `Cannot run on "${name}": its BYTES are cut short or not UTF-8.`, {
      cause,
    });
  }
  if (strings.length !== count) {
    throw new AppError(
      'tensor_invalid',
      `Cannot run on "${name}": ${strings.length} BYTES elements, its shape wants ${count}.`,
    );
  }
  return strings;
}

function writeStrings(strings: readonly string[]): Uint8Array {
  const encoded = strings.map((text) => Buffer.from(text));
  const data = new Uint8Array(encoded.reduce((total, bytes) => total + 4 + bytes.byteLength, 0));
  const view = new DataView(data.buffer);
  let at = 0;
  for (const bytes of encoded) {
    view.setUint32(at, bytes.byteLength, true);
    data.set(bytes, at + 4);
    at += 4 + bytes.byteLength;
  }
  return data;
}
