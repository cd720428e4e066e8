/**
 * Writes answers of the Open Inference Protocol v2. A large one is written in parts while it is sent: the agent never
 * holds the text of a whole tensor, and others have their turn in between.
 */
import { setImmediate as othersTurn } from 'node:timers/promises';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { checkJsonForm, tensorJsonParts } from '../../shared/inference/tensor-json.ts';
import { elementCount } from '../../shared/inference/tensor-values.ts';
import type { RequestedOutput } from './infer-message.ts';

export interface AnswerParts {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly outputs: readonly Tensor[];
}

export interface RenderedAnswer {
  /** The whole body where it is small, or its parts one after the other. */
  readonly body: string | Buffer | AsyncIterable<string | Uint8Array>;
  /** Bytes of the JSON part; present when raw tensors follow it. */
  readonly jsonBytes?: number;
}

/** Raw bytes handed to the socket at once; whether a client still reads shows between two. */
const RAW_PART_BYTES = 256 * 1024;

/**
 * Throws `tensor_type_unsupported` for FP16 that is not asked for as raw bytes, `too_large` for a large JSON tensor beside
 * raw ones: the length of the JSON must be told before it.
 */
export function renderAnswer(
  answer: AnswerParts,
  isBinary: (output: string) => RequestedOutput['isBinary'],
): RenderedAnswer {
  const listed = answer.outputs.filter((output) => !isBinary(output.name));
  const raw = answer.outputs.filter((output) => isBinary(output.name));
  for (const output of listed) checkJsonForm(output);
  const elements = listed.reduce((sum, output) => sum + elementCount(output.shape), 0);
  const isSmall = elements <= limits.jsonElementsAtOnceMax;
  if (raw.length === 0) {
    const parts = jsonParts(answer, isBinary);
    return { body: isSmall ? [...parts].join('') : paced(parts) };
  }
  if (!isSmall) {
    throw new AppError(
      'too_large',
      `Cannot answer with ${elements} values as JSON next to binary tensors: at most ${limits.jsonElementsAtOnceMax} are ` +
        'allowed. Request all outputs in binary form (parameter "binary_data").',
    );
  }
  const header = Buffer.from([...jsonParts(answer, isBinary)].join(''));
  const rawBytes = raw.reduce((sum, output) => sum + output.data.byteLength, 0);
  const body =
    rawBytes <= RAW_PART_BYTES
      ? Buffer.concat([header, ...raw.map((output) => output.data)])
      : paced(rawParts(header, raw));
  return { body, jsonBytes: header.byteLength };
}

function* jsonParts(
  { model, version, id, outputs }: AnswerParts,
  isBinary: (output: string) => boolean,
): Generator<string, void, void> {
  yield `{"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)},"id":${JSON.stringify(id)},"outputs":[`;
  for (const [i, output] of outputs.entries()) {
    const { name, datatype, shape, data } = output;
    const comma = i === 0 ? '' : ',';
    yield `${comma}{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]`;
    if (isBinary(name)) yield `,"parameters":{"binary_data_size":${data.byteLength}}}`;
    else {
      yield ',"data":';
      yield* tensorJsonParts(output);
      yield '}';
    }
  }
  yield ']}';
}

function* rawParts(header: Uint8Array, raw: readonly Tensor[]): Generator<Uint8Array, void, void> {
  yield header;
  for (const { data } of raw) {
    for (let at = 0; at < data.byteLength; at += RAW_PART_BYTES) yield data.subarray(at, at + RAW_PART_BYTES);
  }
}

async function* paced<T>(parts: Iterable<T>): AsyncGenerator<T, void, void> {
  for (const part of parts) {
    yield part;
    await othersTurn();
  }
}
