/**
 * What a parent process and a runner say to each other over the IPC channel (advanced serialization, so tensor bytes
 * travel as they are). One runner hosts one model; it answers requests in the order they came. The runner's only
 * input is a file, which it loads when its digest is the one the parent names.
 */

import type { Tensor, TensorSpec } from '../shared/inference/tensor.ts';
import type { UpdateFault } from '../shared/protocol/update-event.ts';
import type { ProcessMemory } from './own-memory.ts';

export interface LoadRequest {
  readonly kind: 'load';
  readonly id: number;
  readonly file: string;
  /** Wanted digest of the file; whatever it holds is loaded when absent. */
  readonly sha256?: string;
  readonly provider: string;
  readonly threads: number;
  /** What this runner may take, for its messages; the kernel keeps the limit. */
  readonly memoryBytesMax: number;
}

export interface InferRequest {
  readonly kind: 'infer';
  readonly id: number;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted; all tensor outputs when absent. */
  readonly outputs?: readonly string[];
}

export interface MemoryRequest {
  readonly kind: 'memory';
  readonly id: number;
}

export type RunnerRequest = LoadRequest | InferRequest | MemoryRequest;

/** How long one run took in the runner, milliseconds: copying tensors in, the runtime alone, copying tensors out. */
export interface ComputeStages {
  readonly inputMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

export type RunnerReply =
  | {
      readonly kind: 'loaded';
      readonly id: number;
      readonly inputs: readonly TensorSpec[];
      /** Tensor outputs this runner can give; outputs of other kinds are left out. */
      readonly outputs: readonly TensorSpec[];
      readonly loadMs: number;
    }
  | {
      readonly kind: 'inferred';
      readonly id: number;
      readonly outputs: readonly Tensor[];
      readonly stages: ComputeStages;
    }
  | ({ readonly kind: 'memory'; readonly id: number } & ProcessMemory)
  | { readonly kind: 'failed'; readonly id: number; readonly fault: UpdateFault };
