/**
 * One ONNX Runtime session, with the settings an edge device wants: threads counted out, no spinning between requests
 * (it burns cores on a paced load), only tensor outputs fetched.
 */
import { basename } from 'node:path';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { formatBytes } from '../shared/base/bytes.ts';
import { limits } from '../shared/base/limits.ts';
import { ownValue } from '../shared/base/own-value.ts';
import type { Tensor, TensorSpec } from '../shared/inference/tensor.ts';
import { asMemoryError } from './memory-error.ts';
import { readModelBytes, releaseBytes } from './model-bytes.ts';
import type { ComputeStages, InferRequest, LoadRequest } from './runner-protocol.ts';
import { answerBytes, datatypeOf, fromOrt, toOrt } from './tensor-conversion.ts';

type Runtime = typeof import('onnxruntime-node');

export interface LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly loadMs: number;
}

type ModelRequest = Omit<LoadRequest, 'kind' | 'id'>;

export class SessionHost {
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #outputNames: readonly string[];
  readonly #request: ModelRequest;
  readonly loaded: LoadedModel;

  private constructor(
    runtime: Runtime,
    session: InferenceSession,
    loaded: LoadedModel,
    request: ModelRequest,
  ) {
    this.#request = request;
    this.#runtime = runtime;
    this.#session = session;
    this.#outputNames = loaded.outputs.map((output) => output.name);
    this.loaded = loaded;
  }

  /**
   * Loads a model. Throws `provider_unavailable`, `slot_damaged`, `runner_out_of_memory` or `model_does_not_load`, saying
   * which file on which provider.
   */
  static async load(request: ModelRequest): Promise<SessionHost> {
    const { file, sha256, provider, threads, memoryBytesMax } = request;
    const start = performance.now();
    const what = `"${basename(file)}" on provider "${provider}"`;
    const runtime = await importRuntime();
    const present = runtime.listSupportedBackends().map((backend) => backend.name);
    if (!present.includes(provider)) {
      throw new AppError(
        'provider_unavailable',
        `Cannot load ${what}: the ONNX Runtime on this machine supports only ${present.join(', ')}.`,
      );
    }
    let session: InferenceSession;
    try {
      const bytes = await readModelBytes(file, sha256);
      session = await runtime.InferenceSession.create(bytes, {
        executionProviders: [provider],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
      });
      // The runtime has its own copy of what it needs.
      releaseBytes(bytes);
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      throw (
        asMemoryError(cause, `load ${what}`, memoryBytesMax) ??
        new AppError('model_does_not_load', `Cannot load ${what}: ${firstLine(cause)}`, { cause })
      );
    }
    const inputs = session.inputMetadata.map((input) => {
      const spec = specOf(input);
      if (spec) return spec;
      const type = input.isTensor ? input.type : 'no tensor';
      throw new AppError(
        'model_does_not_load',
        `Cannot load ${what}: its input "${input.name}" has type ${type}, which modelfleet does not support.`,
      );
    });
    const outputs = session.outputMetadata.map(specOf).filter((spec) => spec !== undefined);
    if (outputs.length === 0) {
      throw new AppError(
        'model_does_not_load',
        `Cannot load ${what}: none of its outputs is a tensor of a supported type.`,
      );
    }
    const loaded = { inputs, outputs, loadMs: performance.now() - start };
    return new SessionHost(runtime, session, loaded, request);
  }

  get memoryBytesMax(): number {
    return this.#request.memoryBytesMax;
  }

  /** The same model in a session of its own; this one, with all the memory it took, is gone. Throws what `load` throws. */
  async renew(): Promise<SessionHost> {
    await this.#session.release();
    return SessionHost.load(this.#request);
  }

  /**
   * Runs the model once. Throws `tensor_invalid`, `tensor_type_unsupported`, `runner_out_of_memory`, `answer_too_large`
   * or `inference_failed`.
   */
  async infer({ inputs, outputs }: Pick<InferRequest, 'inputs' | 'outputs'>) {
    const names = outputs ?? this.#outputNames;
    for (const name of names) {
      // Fetching a sequence, a map or a 4-bit tensor throws or aborts the process: refuse before the run.
      if (this.#outputNames.includes(name)) continue;
      throw new AppError(
        'tensor_type_unsupported',
        `Cannot answer with "${name}": the supported outputs are ${this.#outputNames.join(', ')}.`,
      );
    }
    const begin = performance.now();
    const feeds = Object.fromEntries(inputs.map((input) => [input.name, toOrt(input, this.#runtime.Tensor)]));
    const start = performance.now();
    let answers: InferenceSession.OnnxValueMapType;
    try {
      answers = await this.#session.run(feeds, names);
    } catch (cause) {
      throw (
        asMemoryError(cause, 'run the model', this.#request.memoryBytesMax) ??
        new AppError('inference_failed', `Cannot run the model: ${firstLine(cause)}`, { cause })
      );
    }
    const end = performance.now();
    checkAnswerBytes(names.map((name) => [name, ownValue(answers, name) as OrtTensor]));
    const tensors: Tensor[] = names.map((name) => fromOrt(name, ownValue(answers, name) as never));
    const stages: ComputeStages = {
      inputMs: start - begin,
      inferMs: end - start,
      outputMs: performance.now() - end,
    };
    return { outputs: tensors, stages };
  }
}

/**
 * The one place that loads ONNX Runtime. Before it does:
 *   - ONNX Runtime reports its use to its vendor by default: it looks up a host of theirs, keeps an id of the device and a
 *     database with names of models and graphs below the home folder, and a log in the temporary one. With the variable set,
 *     whatever it was, it starts none of that (promise P7); later is too late.
 *   - It wants float16 data as Uint16Array, but takes Float16Array wherever the global exists, and its native half then
 *     sees an empty array ("not enough space: expected …, got 0"). So the global goes.
 */
async function importRuntime(): Promise<Runtime> {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  Reflect.deleteProperty(globalThis, 'Float16Array');
  return import('onnxruntime-node');
}

/** The parent holds an answer more than once on its way to the client: one too large ends here. Throws `answer_too_large`. */
function checkAnswerBytes(answers: readonly (readonly [string, OrtTensor])[]): void {
  let total = 0;
  for (const [name, tensor] of answers) {
    total += answerBytes(tensor);
    if (total <= limits.inferAnswerBytesMax) continue;
    throw new AppError(
      'answer_too_large',
      `Cannot answer: with output "${name}" [${tensor.dims.join(', ')}] the answer has ${formatBytes(total)}, but at most ${formatBytes(limits.inferAnswerBytesMax)} are allowed.`,
    );
  }
}

function specOf(metadata: InferenceSession.ValueMetadata): TensorSpec | undefined {
  const datatype = metadata.isTensor ? datatypeOf(metadata.type) : undefined;
  if (!metadata.isTensor || datatype === undefined) return undefined;
  return {
    name: metadata.name,
    datatype,
    shape: metadata.shape.map((size) => (typeof size === 'number' ? size : -1)),
  };
}

function firstLine(error: unknown): string {
  return errorText(error).split('\n', 1)[0]!.slice(0, 1_000);
}
