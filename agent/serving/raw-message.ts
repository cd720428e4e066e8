/**
 * A request that is one raw tensor and nothing else (`Inference-Header-Content-Length: 0`): what the protocol's JSON would
 * say follows from the model's interface and the number of bytes. As with Triton, it is one sample, and all outputs come
 * back in the binary form.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { checkTensorBytes, showShape } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import { elementBytes, elementCount } from '../../shared/inference/tensor-values.ts';
import { isBatched, type ModelInterface } from './batching.ts';
import type { InferMessage } from './infer-message.ts';

/** Throws `tensor_invalid` when interface and bytes do not make out one tensor. */
export function rawMessage(body: Uint8Array, model: ModelInterface): InferMessage {
  const [spec, ...others] = model.inputs;
  if (!spec || others.length > 0) {
    refuse(`the model has ${model.inputs.length} inputs, wanted is one`);
  }
  return {
    id: undefined,
    inputs: [rawTensor(body, spec, isBatched(model))],
    outputs: undefined,
    timeoutMs: undefined,
    wish: () => ({ isBinary: true, classes: 0 }),
  };
}

function rawTensor(
  body: Uint8Array,
  { name, datatype, shape: declared }: TensorSpec,
  batched: boolean,
): Tensor {
  const shape = declared.map((size, axis) => (batched && axis === 0 ? 1 : size));
  const open = shape.filter((size) => size === -1).length;
  if (datatype === 'BYTES') {
    // The one element is the body; its length is put before it, as BYTES have it.
    const single = shape.map((size) => (size === -1 ? 1 : size));
    if (elementCount(single) !== 1)
      refuse(`input "${name}" is BYTES ${showShape(declared)}, wanted is one element`);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.byteLength);
    const tensor = { name, datatype, shape: single, data: Buffer.concat([length, body]) };
    checkTensorBytes(tensor);
    return tensor;
  }
  if (open > 1)
    refuse(`input "${name}" has shape ${showShape(declared)}, wanted is one size that may vary at most`);
  const fixed = elementCount(shape.filter((size) => size !== -1)) * elementBytes(datatype)!;
  const tensor = {
    name,
    datatype,
    shape: shape.map((size) => (size === -1 ? Math.floor(body.byteLength / Math.max(1, fixed)) : size)),
    data: body,
  };
  checkTensorBytes(tensor);
  return tensor;
}

function refuse(why: string): never {
  throw new AppError('tensor_invalid', `Cannot read the body as one raw tensor: ${why}.`);
}
