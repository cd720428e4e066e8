/**
 * What a parent process and a runner say to each other over the IPC channel (advanced serialization, so tensor bytes
 * travel as they are). One runner hosts one model; it answers requests in the order they came. The runner's only
 * input is a file whose digest the parent has verified.
 */

import type { Tensor, TensorSpec } from '../shared/inference/tensor.ts';
import type { UpdateFault } from '../shared/protocol/update-event.ts';

export type RunnerRequest =
  | {
      readonly kind: 'load';
      readonly id: number;
      readonly file: string;
      readonly provider: string;
      readonly threads: number;
    }
  | {
      readonly kind: 'infer';
      readonly id: number;
      readonly inputs: readonly Tensor[];
      readonly outputs?: readonly string[];
    }
  | { readonly kind: 'memory'; readonly id: number };

export type RunnerReply =
  | {
      readonly kind: 'loaded';
      readonly id: number;
      readonly inputs: readonly TensorSpec[];
      readonly outputs: readonly TensorSpec[];
      readonly loadMs: number;
    }
  | {
      readonly kind: 'inferred';
      readonly id: number;
      readonly outputs: readonly Tensor[];
      readonly inferMs: number;
    }
  | { readonly kind: 'memory'; readonly id: number; readonly residentBytes: number }
  | { readonly kind: 'failed'; readonly id: number; readonly fault: UpdateFault };
