/**
 * A request that is one raw tensor and nothing else (`Inference-Header-Content-Length: 0`): what the protocol's JSON would
 * say follows from the model's interface and the number of bytes. As with Triton, it is one sample, and all outputs come
 * back in the binary form.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { checkTensorBytes, showShape } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import { elementBytes, elementCount } from '../../shared/inference/tensor-values.ts';
import { isBatched, type ModelInterface } from '../serving/batching.ts';
import type { InferMessage } from './infer-message.ts';

/** Throws `tensor_invalid` when interface and bytes do not make out one tensor. */
export function rawMessage(body: Uint8Array, model: ModelInterface): InferMessage {
  const [spec, ...others] = model.inputs;
  if (!spec || others.length > 0 || !isToldByLength(spec, isBatched(model))) throw notOneTensor(model);
  return {
    id: undefined,
    inputs: [rawTensor(body, spec, isBatched(model))],
    outputs: undefined,
    timeoutMs: undefined,
    requestedOutput: () => ({ isBinary: true, classes: 0 }),
  };
}

/** The shape of one sample. */
function sampleShape({ shape }: TensorSpec, batched: boolean): readonly number[] {
  return shape.map((size, axis) => (batched && axis === 0 ? 1 : size));
}

/** Whether the number of bytes tells the shape: of BYTES only when they are one element, the body. */
function isToldByLength(spec: TensorSpec, batched: boolean): boolean {
  const sizes = sampleShape(spec, batched);
  return spec.datatype === 'BYTES'
    ? sizes.every((size) => size === 1 || size === -1)
    : sizes.filter((size) => size === -1).length <= 1;
}

function rawTensor(body: Uint8Array, spec: TensorSpec, batched: boolean): Tensor {
  const { name, datatype } = spec;
  const sizes = sampleShape(spec, batched);
  const isText = datatype === 'BYTES';
  const fixed = isText ? 1 : elementCount(sizes.filter((size) => size !== -1)) * elementBytes(datatype)!;
  const open = isText ? 1 : Math.floor(body.byteLength / Math.max(1, fixed));
  const shape = sizes.map((size) => (size === -1 ? open : size));
  const tensor = { name, datatype, shape, data: isText ? withLength(body) : body };
  checkTensorBytes(tensor);
  return tensor;
}

/** One element as BYTES have it: its length before it. */
function withLength(element: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(element.byteLength);
  return Buffer.concat([length, element]);
}

function notOneTensor({ inputs }: ModelInterface): AppError {
  const [first] = inputs;
  const shown = first ? `"${first.name}" ${first.datatype} ${showShape(first.shape)}` : 'none';
  return new AppError(
    'tensor_invalid',
    `Cannot read the body as one raw tensor: the model has ${inputs.length} inputs, the first is ${shown}; expected one input with one variable size, or one BYTES element.`,
  );
}
