/** What serving tells telemetry of each request. Raw tensors end here: only counts leave the recorder (promise P7). */

import type { ComputeStages } from '../../runner/runner-protocol.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { LabelledRow } from '../../shared/telemetry/label-figures.ts';

/** The offer of a rollout that a version answers for. */
export interface AnsweredOffer {
  readonly rollout: string;
  /** Which offer of it; absent where the hub does not number them. */
  readonly offer?: number;
}

/** A version as counting needs it: one that no longer answers has no more than its answers were stored with. */
export interface CountedVersion extends Partial<AnsweredOffer> {
  readonly model: string;
  readonly version: string;
  readonly manifestSha256: string;
  readonly manifest: Pick<ModelManifest, 'label' | 'profile'> & {
    readonly interface: Pick<ModelManifest['interface'], 'classes'>;
  };
}

export interface ServedVersion extends CountedVersion {
  readonly manifest: ModelManifest;
}

/** How long one answer took, milliseconds. What is in no stage of the runner is waiting, and the way to the runner and back. */
export interface RequestTime extends ComputeStages {
  readonly totalMs: number;
}

/** What of it is in no stage, milliseconds. */
export function queueMs({ totalMs, inputMs, inferMs, outputMs }: RequestTime): number {
  return Math.max(0, totalMs - inputMs - inferMs - outputMs);
}

export interface Recorder {
  /** The version now answers requests for its model, also when none come: its windows are sent from here on, empty ones
   * too, so that the hub can tell an idle device from a silent one. Closes the window of the model's version before, and
   * of the same version for another offer. */
  serving(version: ServedVersion): void;
  answered(
    version: ServedVersion,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    took: RequestTime,
  ): void;
  /** `code` is an error code of the catalogue. */
  failed(version: ServedVersion, code: string, latencyMs: number): void;
  /** A request whose tensors do not fit the version's interface. `fitsBefore`: the version before would have taken it. */
  refused(version: ServedVersion, fitsBefore: boolean): void;
  crashed(version: ServedVersion): void;
  /** Labels came for an answer, one for each of its rows. The version need not answer any more. */
  labelled(version: CountedVersion, rows: readonly LabelledRow[]): void;
}
