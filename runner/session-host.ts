/**
 * One ONNX Runtime session, with the settings an edge device wants: threads counted out, no spinning between requests
 * (it burns cores on a paced load), only tensor outputs fetched.
 */
import { basename } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { ownValue } from '../shared/base/own-value.ts';
import type { Tensor, TensorSpec } from '../shared/inference/tensor.ts';
import type { InferRequest, LoadRequest } from './runner-protocol.ts';
import { datatypeOf, fromOrt, toOrt } from './tensor-conversion.ts';

type Runtime = typeof import('onnxruntime-node');

export interface LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly loadMs: number;
}

export class SessionHost {
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #outputNames: readonly string[];
  readonly loaded: LoadedModel;

  private constructor(runtime: Runtime, session: InferenceSession, loaded: LoadedModel) {
    this.#runtime = runtime;
    this.#session = session;
    this.#outputNames = loaded.outputs.map((output) => output.name);
    this.loaded = loaded;
  }

  /** Loads a model. Throws `provider_unavailable` or `model_does_not_load`, saying which file on which provider. */
  static async load({ file, provider, threads }: Omit<LoadRequest, 'kind' | 'id'>): Promise<SessionHost> {
    const start = performance.now();
    const what = `"${basename(file)}" on provider "${provider}"`;
    const runtime = await importRuntime();
    const present = runtime.listSupportedBackends().map((backend) => backend.name);
    if (!present.includes(provider)) {
      throw new AppError(
        'provider_unavailable',
        `Cannot load ${what}: this ONNX Runtime has only ${present.join(', ')}.`,
      );
    }
    let session: InferenceSession;
    try {
      session = await runtime.InferenceSession.create(file, {
        executionProviders: [provider],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
      });
    } catch (cause) {
      throw new AppError('model_does_not_load', `Cannot load ${what}: ${firstLine(cause)}`, { cause });
    }
    const inputs = session.inputMetadata.map((input) => {
      const spec = specOf(input);
      if (spec) return spec;
      const type = input.isTensor ? input.type : 'no tensor';
      throw new AppError(
        'model_does_not_load',
        `Cannot load ${what}: its input "${input.name}" is ${type}, which cannot be fed.`,
      );
    });
    const outputs = session.outputMetadata.map(specOf).filter((spec) => spec !== undefined);
    if (outputs.length === 0) {
      throw new AppError(
        'model_does_not_load',
        `Cannot load ${what}: none of its outputs is a tensor of a type that can be read.`,
      );
    }
    return new SessionHost(runtime, session, { inputs, outputs, loadMs: performance.now() - start });
  }

  /** Runs the model once. Throws `tensor_invalid`, `tensor_type_unsupported` or `inference_failed`. */
  async infer({ inputs, outputs }: Pick<InferRequest, 'inputs' | 'outputs'>) {
    const names = outputs ?? this.#outputNames;
    for (const name of names) {
      // Fetching a sequence, a map or a 4-bit tensor throws or aborts the process: refuse before the run.
      if (this.#outputNames.includes(name)) continue;
      throw new AppError(
        'tensor_type_unsupported',
        `Cannot answer with "${name}": outputs that can be read are ${this.#outputNames.join(', ')}.`,
      );
    }
    const feeds = Object.fromEntries(inputs.map((input) => [input.name, toOrt(input, this.#runtime.Tensor)]));
    const start = performance.now();
    let answers: InferenceSession.OnnxValueMapType;
    try {
      answers = await this.#session.run(feeds, names);
    } catch (cause) {
      throw new AppError('inference_failed', `Cannot run the model: ${firstLine(cause)}`, { cause });
    }
    const inferMs = performance.now() - start;
    const tensors: Tensor[] = names.map((name) => fromOrt(name, ownValue(answers, name) as never));
    return { outputs: tensors, inferMs };
  }
}

/**
 * ONNX Runtime for Node wants float16 data as Uint16Array, but takes Float16Array wherever the global exists, and its
 * native half then sees an empty array ("not enough space: expected …, got 0"). So the global goes before it loads.
 */
async function importRuntime(): Promise<Runtime> {
  Reflect.deleteProperty(globalThis, 'Float16Array');
  return import('onnxruntime-node');
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
