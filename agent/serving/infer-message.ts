/**
 * Inference requests and answers of the Open Inference Protocol v2: JSON, and JSON followed by raw tensors (extension
 * `binary_tensor_data`), which is the only form FP16 and whole numbers beyond 2^53 can take.
 */
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { mapOf } from '../../shared/base/map-of.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { checkTensorBytes } from '../../shared/inference/exact-values.ts';
import { Datatype, type Tensor } from '../../shared/inference/tensor.ts';
import { tensorDataToJson, tensorFromJson } from '../../shared/inference/tensor-json.ts';
import type { InferenceAnswer } from './model-server.ts';

const Parameters = Type.Optional(
  mapOf(Type.Union([Type.String({ maxLength: 4_096 }), Type.Number(), Type.Boolean()]), {
    entriesMax: limits.inferParametersMax,
  }),
);

const tensorName = Type.String({ minLength: 1, maxLength: 256 });

const InferRequest = Type.Object({
  id: Type.Optional(Type.String({ maxLength: 256 })),
  parameters: Parameters,
  inputs: Type.Array(
    Type.Object({
      name: tensorName,
      datatype: Datatype,
      shape: Type.Array(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }), {
        maxItems: limits.tensorRankMax,
      }),
      parameters: Parameters,
      data: Type.Optional(Type.Array(Type.Unknown())),
    }),
    { minItems: 1, maxItems: limits.tensorsPerModelMax },
  ),
  outputs: Type.Optional(
    Type.Array(Type.Object({ name: tensorName, parameters: Parameters }), {
      minItems: 1,
      maxItems: limits.tensorsPerModelMax,
    }),
  ),
});

const parseHeader = jsonParser(InferRequest, 'the inference request', limits.inferBodyBytesMax);

export interface InferMessage {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[] | undefined;
  /** Whether the output is to be sent as raw bytes. */
  readonly isBinary: (output: string) => boolean;
}

export interface RenderedAnswer {
  readonly body: string | Buffer;
  /** Bytes of the JSON part; present when raw tensors follow it. */
  readonly jsonBytes?: number;
}

/**
 * Reads a request; `jsonBytes` is its `Inference-Header-Content-Length`. Raw tensors are views over `body`, not copies.
 * Throws `bad_input`, `tensor_invalid`, `tensor_type_unsupported` or `too_large`.
 */
export function readInferMessage(body: Uint8Array, jsonBytes = body.byteLength): InferMessage {
  if (!Number.isInteger(jsonBytes) || jsonBytes <= 0 || jsonBytes > body.byteLength) {
    throw new AppError(
      'bad_input',
      `Cannot read the inference request: its JSON is to be ${jsonBytes} bytes of a body of ${body.byteLength}.`,
    );
  }
  const request = parseHeader(body.subarray(0, jsonBytes));
  let at = jsonBytes;
  const inputs = request.inputs.map((input): Tensor => {
    const { name, datatype, shape, data } = input;
    const size = input.parameters?.['binary_data_size'];
    if (size === undefined) {
      if (data) return tensorFromJson({ name, datatype, shape, data });
      throw new AppError('tensor_invalid', `Cannot read input "${name}": it has no data.`);
    }
    if (
      data ||
      typeof size !== 'number' ||
      !Number.isInteger(size) ||
      size < 0 ||
      at + size > body.byteLength
    ) {
      throw new AppError(
        'tensor_invalid',
        `Cannot read input "${name}": binary_data_size ${size} fits neither the body nor other data of it.`,
      );
    }
    const tensor = { name, datatype, shape, data: body.subarray(at, at + size) };
    checkTensorBytes(tensor);
    at += size;
    return tensor;
  });
  if (at !== body.byteLength) {
    throw new AppError(
      'bad_input',
      `Cannot read the inference request: ${body.byteLength - at} bytes after its tensors belong to none.`,
    );
  }
  const allBinary = request.parameters?.['binary_data_output'] === true;
  const wishes = new Map(request.outputs?.map(({ name, parameters }) => [name, parameters?.['binary_data']]));
  return {
    id: request.id === '' ? undefined : request.id,
    inputs,
    outputs: request.outputs?.map((output) => output.name),
    isBinary: (output) => (wishes.get(output) ?? allBinary) === true,
  };
}

/** Writes an answer. Throws `tensor_type_unsupported` for FP16 that is not asked for as raw bytes. */
export function renderAnswer(answer: InferenceAnswer, isBinary: InferMessage['isBinary']): RenderedAnswer {
  const raw: Uint8Array[] = [];
  const outputs = answer.outputs.map((output) => {
    const { name, datatype, shape } = output;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]`;
    if (!isBinary(name)) return `${head},"data":${tensorDataToJson(output)}}`;
    raw.push(output.data);
    return `${head},"parameters":{"binary_data_size":${output.data.byteLength}}}`;
  });
  const json = `{"model_name":"${answer.model}","model_version":"${answer.version}","id":${JSON.stringify(
    answer.id,
  )},"outputs":[${outputs.join(',')}]}`;
  if (raw.length === 0) return { body: json };
  const header = Buffer.from(json);
  return { body: Buffer.concat([header, ...raw]), jsonBytes: header.byteLength };
}
