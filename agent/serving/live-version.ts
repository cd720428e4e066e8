/**
 * One version that answers requests on this device: its runner, its figures since it was switched to, and what every
 * answer of it must carry for telemetry and labels.
 */
import type { Inference } from '../../runner/runner-client.ts';
import { type AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { Slot } from '../slots/slot.ts';
import type { AnsweredOffer, Recorder, ServedVersion } from '../telemetry/observation.ts';
import type { RunnerSupervisor } from './runner-supervisor.ts';
import type { ServedFigures } from './served-model.ts';

/** Codes that say the device was busy or the client in a hurry, not that the version is bad. */
const busyCodes: ReadonlySet<string> = new Set(['overloaded', 'request_timeout']);

export interface LiveVersionProps {
  readonly slot: Slot;
  readonly provider: string;
  readonly answersFor: AnsweredOffer | undefined;
  readonly supervisor: RunnerSupervisor;
  readonly recorder: Recorder;
}

export class LiveVersion {
  readonly provider: string;
  readonly supervisor: RunnerSupervisor;
  readonly #recorder: Recorder;
  readonly #alwaysFetched: readonly string[];
  #served: ServedVersion;
  #figures: { -readonly [K in keyof ServedFigures]: ServedFigures[K] } = emptyFigures();

  constructor({ slot, provider, answersFor, supervisor, recorder }: LiveVersionProps) {
    const { model, version, manifestSha256, manifest } = slot;
    this.provider = provider;
    this.#served = { model, version, manifestSha256, manifest, ...answersFor };
    this.supervisor = supervisor;
    this.#recorder = recorder;
    this.#alwaysFetched = outputsWatched(manifest);
  }

  get served(): ServedVersion {
    return this.#served;
  }

  /** From now on it answers for this offer, or for none. Answers under way are counted where they began. */
  answerFor(offer: AnsweredOffer | undefined): void {
    const { rollout: _, offer: __, ...version } = this.#served;
    this.#served = { ...version, ...offer };
  }

  get manifest(): ModelManifest {
    return this.served.manifest;
  }

  /** By its version, or by its release, which is a whole number as clients written for Triton have it. */
  isNamed(name: string): boolean {
    return name === this.served.version || name === String(this.manifest.release);
  }

  get figures(): ServedFigures {
    return { ...this.#figures };
  }

  /** Starts the figures anew: it was switched to. */
  resetFigures(): void {
    this.#figures = emptyFigures();
  }

  /** Runs the model; the answer holds the outputs wanted and those telemetry watches. Failures are counted and thrown. */
  async infer(
    inputs: readonly Tensor[],
    wanted: readonly string[],
    startedMs: number,
    signal?: AbortSignal,
  ): Promise<Inference> {
    const names = [...new Set([...wanted, ...this.#alwaysFetched])];
    const served = this.#served;
    let inference: Inference;
    try {
      inference = await this.supervisor.infer(inputs, names, signal);
    } catch (error) {
      this.#countFailure(served, error, performance.now() - startedMs);
      throw error;
    }
    this.#figures.requests += 1;
    this.#recorder.answered(served, inputs, inference.outputs, {
      totalMs: performance.now() - startedMs,
      ...inference.stages,
    });
    return inference;
  }

  /** Counts a request that does not fit it; against it when the version before would have taken the request. */
  countRefused(fitsBefore: boolean): void {
    if (fitsBefore) this.#figures.refused += 1;
    this.#recorder.refused(this.served, fitsBefore);
  }

  /** Counts a request that was turned away before it was read: the client saw it fail. */
  countTurnedAway(waitedMs: number): void {
    this.#recorder.failed(this.served, 'overloaded', waitedMs);
  }

  /** Counts an end of its runner that nobody asked for, and each time it did not come up again. */
  countEnd({ code }: AppError): void {
    // Its end was ours, and the request that it was ended for has been counted.
    if (code === 'inference_timeout') return;
    this.#figures.crashes += 1;
    this.#figures.lastError = code;
    this.#recorder.crashed(this.served);
  }

  #countFailure(served: ServedVersion, error: unknown, latencyMs: number): void {
    const code = isAppError(error) ? error.code : 'internal';
    this.#recorder.failed(served, code, latencyMs);
    if (busyCodes.has(code)) return;
    this.#figures.requests += 1;
    this.#figures.failed += 1;
    this.#figures.lastError = code;
  }
}

function emptyFigures() {
  return { requests: 0, failed: 0, refused: 0, crashes: 0 };
}

/** Outputs that drift or labels are computed from; fetched even when a request does not ask for them. */
function outputsWatched({ profile, label, interface: { outputs } }: ModelManifest): readonly string[] {
  const names = (profile?.features ?? [])
    .filter((feature) => feature.role === 'output')
    .map((feature) => feature.source.tensor);
  if (label) names.push(label.output);
  return outputs.map((output) => output.name).filter((name) => names.includes(name));
}
