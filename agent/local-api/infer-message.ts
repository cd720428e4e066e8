/**
 * Inference requests of the Open Inference Protocol v2: JSON, JSON followed by raw tensors (extension
 * `binary_tensor_data`), which is the only form FP16 can take, and one raw tensor alone.
 */
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { limits } from '../../shared/base/limits.ts';
import { mapOf } from '../../shared/base/map-of.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import type { Slices } from '../../shared/base/slices.ts';
import { checkTensorBytes } from '../../shared/inference/exact-values.ts';
import { type DataSpan, readOutline } from '../../shared/inference/request-outline.ts';
import { Datatype, type Tensor } from '../../shared/inference/tensor.ts';
import { readTensorJson } from '../../shared/inference/tensor-json.ts';

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
      /** Index of the list in the outline's spans. */
      data: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
    { maxItems: limits.tensorsPerModelMax },
  ),
  outputs: Type.Optional(
    Type.Array(Type.Object({ name: tensorName, parameters: Parameters }), {
      maxItems: limits.tensorsPerModelMax,
    }),
  ),
});

type InferRequest = Type.Static<typeof InferRequest>;
type RequestInput = InferRequest['inputs'][number];

const parseOutline = jsonParser(InferRequest, 'the inference request', limits.inferOutlineBytesMax);

/** How the client wants one output. */
export interface RequestedOutput {
  /** Sent as raw bytes. */
  readonly isBinary: boolean;
  /** Instead of the tensor, so many of its highest values with their classes; 0 for the tensor. */
  readonly classes: number;
}

export interface InferMessage {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  /** All outputs of the model when absent. */
  readonly outputs: readonly string[] | undefined;
  /** How long the client waits at most; absent when it does not say. */
  readonly timeoutMs: number | undefined;
  readonly requestedOutput: (output: string) => RequestedOutput;
}

/**
 * Reads a request; `jsonBytes` is its `Inference-Header-Content-Length`. Raw tensors are views over `body`, not copies.
 * Throws `bad_input`, `tensor_invalid`, `tensor_type_unsupported` or `too_large`.
 */
export function* readInferMessage(body: Uint8Array, jsonBytes = body.byteLength): Slices<InferMessage> {
  if (!Number.isInteger(jsonBytes) || jsonBytes <= 0 || jsonBytes > body.byteLength) {
    throw new AppError(
      'bad_input',
      `Cannot read the inference request: its JSON part is declared as ${jsonBytes} bytes, but the body has only ${body.byteLength}.`,
    );
  }
  const json = body.subarray(0, jsonBytes);
  const outline = yield* readOutline(json);
  const request = parseOutline(outline.json);
  const raw = new RawTensors(body, jsonBytes);
  const inputs: Tensor[] = [];
  for (const input of request.inputs) inputs.push(yield* readInput(input, json, outline.spans, raw));
  raw.expectEnd();
  return { ...requestFieldsOf(request), inputs };
}

function* readInput(
  { name, datatype, shape, parameters, data }: RequestInput,
  json: Uint8Array,
  spans: readonly DataSpan[],
  raw: RawTensors,
): Slices<Tensor> {
  refuseSharedMemory(name, parameters);
  const size = parameters?.['binary_data_size'];
  if ((size === undefined) === (data === undefined)) {
    const found = data === undefined ? 'neither data nor binary_data_size' : 'both data and binary_data_size';
    throw new AppError('tensor_invalid', `Cannot read input "${name}": it has ${found}.`);
  }
  if (data !== undefined) return yield* readTensorJson({ name, datatype, shape, json, ...spans[data]! });
  const tensor = { name, datatype, shape, data: raw.take(name, size) };
  checkTensorBytes(tensor);
  return tensor;
}

/** The bytes after the JSON, taken one tensor after the other. */
class RawTensors {
  readonly #body: Uint8Array;
  #at: number;

  constructor(body: Uint8Array, from: number) {
    this.#body = body;
    this.#at = from;
  }

  take(name: string, size: unknown): Uint8Array {
    const left = this.#body.byteLength - this.#at;
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > left) {
      throw new AppError(
        'tensor_invalid',
        `Cannot read input "${name}": binary_data_size is ${excerpt(size)}, but ${left} bytes of the body are left.`,
      );
    }
    this.#at += size;
    return this.#body.subarray(this.#at - size, this.#at);
  }

  expectEnd(): void {
    const left = this.#body.byteLength - this.#at;
    if (left === 0) return;
    throw new AppError(
      'bad_input',
      `Cannot read the inference request: ${left} bytes after its last tensor belong to no tensor.`,
    );
  }
}

function requestFieldsOf({ id, parameters, outputs }: InferRequest): Omit<InferMessage, 'inputs'> {
  refuseSequence(parameters);
  const allBinary = parameters?.['binary_data_output'] === true;
  const requested = new Map<string, RequestedOutput>();
  for (const { name, parameters: own } of outputs ?? []) {
    refuseSharedMemory(name, own);
    requested.set(name, {
      isBinary: (own?.['binary_data'] ?? allBinary) === true,
      classes: classesAsked(name, own?.['classification']),
    });
  }
  return {
    id: id === '' ? undefined : id,
    // An empty list asks for all, as with Triton.
    outputs: requested.size === 0 ? undefined : outputs?.map((output) => output.name),
    timeoutMs: timeoutAsked(parameters?.['timeout']),
    requestedOutput: (output) => requested.get(output) ?? { isBinary: allBinary, classes: 0 },
  };
}

function classesAsked(name: string, asked: unknown): number {
  if (asked === undefined) return 0;
  if (typeof asked === 'number' && Number.isInteger(asked) && asked >= 0 && asked <= 2 ** 32) return asked;
  throw new AppError(
    'bad_input',
    `Cannot answer with classes of "${name}": classification is ${excerpt(asked)}, expected the number of classes.`,
  );
}

/** Triton's parameter, in microseconds; 0 asks for no time-out of its own. */
function timeoutAsked(asked: unknown): number | undefined {
  if (asked === undefined || asked === 0) return undefined;
  if (typeof asked === 'number' && Number.isInteger(asked) && asked > 0) return asked / 1_000;
  throw new AppError(
    'bad_input',
    `Cannot accept the request: its timeout is ${excerpt(asked)}, expected a whole number of microseconds.`,
  );
}

function refuseSharedMemory(name: string, parameters: RequestInput['parameters']): void {
  if (parameters?.['shared_memory_region'] === undefined) return;
  throw new AppError(
    'not_offered',
    `Cannot use shared memory for "${name}": this server does not support it. Send and request tensors in binary form.`,
  );
}

/** A client that names a sequence counts on state that is kept for it: an answer without would be wrong in silence. */
function refuseSequence(parameters: InferRequest['parameters']): void {
  const id = parameters?.['sequence_id'] ?? 0;
  const marks = [parameters?.['sequence_start'], parameters?.['sequence_end']];
  if ((id === 0 || id === '') && !marks.includes(true)) return;
  throw new AppError(
    'not_offered',
    `Cannot accept the request as part of sequence ${excerpt(id)}: this server keeps no state between requests. Send the state as an input, and read the next state from the answer.`,
  );
}
