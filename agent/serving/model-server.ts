/**
 * Serves models: for each the version that is active, and during a trial the one before it, warm. Switching takes no
 * request away: the new runner is up before the switch, and what the old one has taken it finishes.
 */
import { freeMemoryBytes } from '../../platform/free-memory.ts';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';
import type { ComputeStages } from '../../runner/runner-protocol.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { checkInputs, checkOutputNames } from '../../shared/inference/signature.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { Slot } from '../slots/slot.ts';
import type { AnsweredOffer, Recorder, ServedVersion } from '../telemetry/observation.ts';
import { PredictionStore } from '../telemetry/prediction-store.ts';
import { LiveVersion } from './live-version.ts';
import { type GivenLabel, PredictionLog } from './prediction-log.ts';
import { qualifySlot } from './qualification.ts';
import { RunnerSupervisor, type StartRunner } from './runner-supervisor.ts';
import type {
  DamageListener,
  Qualification,
  SampleListener,
  ServedFigures,
  ServedModels,
  ServeOptions,
} from './served-model.ts';
import { StartedRunners } from './started-runners.ts';
import { variantChain } from './variant-chain.ts';

export interface ModelServerProps {
  readonly recorder: Recorder;
  /** What was predicted, until the label comes; in memory alone when absent. */
  readonly predictions?: PredictionStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Threads inside one operator, for each runner. */
  readonly threads?: number;
  /** Memory each runner may take; half of the machine's when absent. */
  readonly runnerMemoryBytesMax?: number | undefined;
  readonly deadlineMs?: number;
  /** Memory that is free, bytes; another source only in tests. */
  readonly freeMemory?: () => Promise<number>;
  /** Starts a runner; another one only in tests. */
  readonly startRunner?: StartRunner;
}

export interface InferenceRequest {
  readonly model: string;
  /** The active version when absent. */
  readonly version?: string | undefined;
  readonly id?: string | undefined;
  readonly inputs: readonly Tensor[];
  /** All outputs of the interface when absent. */
  readonly outputs?: readonly string[] | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface InferenceAnswer {
  readonly model: string;
  /** The version that answered. */
  readonly version: string;
  readonly id: string;
  readonly outputs: readonly Tensor[];
  readonly served: ServedVersion;
  readonly stages: ComputeStages;
}

interface ServedModel {
  active: LiveVersion;
  standby?: LiveVersion | undefined;
  /** The version that answered before the active one: tells a client that was broken from one that never fitted. */
  readonly before?: ModelManifest | undefined;
}

/** Failures of the active version's process, not of its answer: the standby may answer instead. */
const processFaults: ReadonlySet<string> = new Set(['runner_crashed', 'model_not_ready']);

export class ModelServer implements ServedModels {
  readonly #props: ModelServerProps;
  readonly #runners: StartedRunners;
  #isClosed = false;
  #onDamaged: DamageListener = () => undefined;
  readonly #models = new Map<string, ServedModel>();
  readonly #predictions: PredictionLog;
  readonly #draining = new Set<Promise<void>>();
  readonly #idStem: string;
  #lastId = 0;

  constructor(props: ModelServerProps) {
    this.#props = props;
    const { clock, logger } = props;
    this.#predictions = new PredictionLog(
      props.predictions ??
        PredictionStore.inMemory({ clock, logger, ageMaxMs: limits.predictionsKeptMsDefault }),
      new LimitedLog({ logger, monotonic: () => clock.monotonic() }),
    );
    this.#runners = new StartedRunners(
      props.startRunner ?? ((options, runnerProps) => RunnerProcess.start(options, runnerProps)),
    );
    this.#idStem = Math.floor(props.random() * 2 ** 48).toString(36);
  }

  qualify(slot: Slot, onSample?: SampleListener): Promise<Qualification> {
    const { logger, threads = 1, runnerMemoryBytesMax: memoryBytesMax } = this.#props;
    const freeMemory = this.#props.freeMemory ?? freeMemoryBytes;
    return qualifySlot(slot, {
      startRunner: this.#runners.start,
      threads,
      memoryBytesMax,
      freeMemory,
      onSample,
      logger,
    });
  }

  whenDamaged(listener: DamageListener): void {
    this.#onDamaged = listener;
  }

  /** Throws what the start of the runner throws; the version that was active then still is. */
  async serve(slot: Slot, provider: string, { keepStandby, answersFor }: ServeOptions): Promise<void> {
    const now = this.#models.get(slot.model);
    const warm = [now?.standby, now?.active].find(
      (live) =>
        live?.served.manifestSha256 === slot.manifestSha256 &&
        live.provider === provider &&
        live.supervisor.ready,
    );
    const next = warm ?? (await this.#open(slot, provider, answersFor));
    if (this.#isClosed) {
      await next.supervisor.close();
      throw new AppError(
        'model_not_ready',
        `Cannot serve ${slot.model} ${slot.version}: the agent is shutting down.`,
      );
    }
    const served = this.#models.get(slot.model);
    if (served?.active === next) {
      this.answerFor(slot.model, slot.manifestSha256, answersFor);
      return keepStandby ? undefined : this.dropStandby(slot.model);
    }
    next.resetFigures();
    next.answerFor(answersFor);
    this.#props.recorder.serving(next.served);
    const standby = keepStandby ? served?.active : undefined;
    this.#models.set(slot.model, { active: next, standby, before: served?.active.manifest });
    if (!keepStandby) this.#drain(served?.active);
    if (served?.standby !== next) this.#drain(served?.standby);
  }

  answerFor(model: string, manifestSha256: string, offer: AnsweredOffer | undefined): void {
    const active = this.#models.get(model)?.active;
    if (active?.served.manifestSha256 !== manifestSha256) return;
    const { served } = active;
    if (served.rollout === offer?.rollout && served.offer === offer?.offer) return;
    active.answerFor(offer);
    this.#props.recorder.serving(active.served);
  }

  async retire(model: string): Promise<void> {
    const served = this.#models.get(model);
    this.#models.delete(model);
    await Promise.all([this.#drain(served?.active), this.#drain(served?.standby)]);
  }

  async dropStandby(model: string): Promise<void> {
    const served = this.#models.get(model);
    const standby = served?.standby;
    if (!served || !standby) return;
    served.standby = undefined;
    await this.#drain(standby);
  }

  serving(model: string): string | undefined {
    return this.#models.get(model)?.active.served.manifestSha256;
  }

  /** Longest wait of a request for its turn, and longest run of it. */
  get deadlineMs(): number {
    return this.#props.deadlineMs ?? limits.inferDeadlineMsDefault;
  }

  /** What one request of the model takes of its runner, milliseconds; 0 when nobody knows. */
  eachMs(model: string): number {
    return this.#models.get(model)?.active.supervisor.eachMs ?? 0;
  }

  figures(model: string): ServedFigures | undefined {
    return this.#models.get(model)?.active.figures;
  }

  /** Names of the models served, and of each the versions that can be asked for, the active one first. */
  list(): readonly { readonly model: string; readonly versions: readonly LiveVersion[] }[] {
    return [...this.#models].map(([model, { active, standby }]) => ({
      model,
      versions: standby ? [active, standby] : [active],
    }));
  }

  /** The version that answers; `version` names another by its version or its release. Throws `model_not_served`. */
  find(model: string, version?: string): LiveVersion {
    const served = this.#models.get(model);
    if (!served)
      // The first part of the text is what that clients written for Triton look for.
      throw new AppError(
        'model_not_served',
        `Request for unknown model: this device does not serve "${model.slice(0, 200)}".`,
      );
    if (version === undefined || served.active.isNamed(version)) return served.active;
    if (served.standby?.isNamed(version)) return served.standby;
    throw new AppError(
      'model_not_served',
      `Request for unknown model: this device does not serve version ${version.slice(0, 200)} of "${model}", it serves version ${served.active.served.version}.`,
    );
  }

  /**
   * Answers one request. Throws `model_not_served`, `tensor_invalid`, `overloaded`, `model_not_ready`,
   * `inference_timeout`, `inference_failed`, `runner_crashed` or the reason of `signal`.
   */
  async infer(request: InferenceRequest): Promise<InferenceAnswer> {
    const startedMs = performance.now();
    const live = this.find(request.model, request.version);
    const { standby, before } = this.#models.get(request.model)!;
    const refusal = refusalBy(live.manifest, request);
    if (refusal) {
      // Who names a version asks for its interface and no other.
      const fitsBefore = request.version === undefined && before !== undefined && !refusalBy(before, request);
      live.countRefused(fitsBefore);
      if (!standby || !fitsBefore) throw refusal;
      return this.#inferOn(standby, request, startedMs);
    }
    try {
      return await this.#inferOn(live, request, startedMs);
    } catch (error) {
      const second = request.version === undefined ? this.#models.get(request.model)?.standby : undefined;
      if (!second || second === live || !isAppError(error) || !processFaults.has(error.code)) throw error;
      // The standby may have another interface; then the first failure is the one to tell.
      if (refusalBy(second.manifest, request)) throw error;
      return this.#inferOn(second, request, startedMs);
    }
  }

  /**
   * Reads a request that only an interface makes out: by that of the version it is for, else by that of the version before.
   * Throws what `read` throws; tensors that fit neither are counted as refused.
   */
  readBy<T>(
    { model, version }: Pick<InferenceRequest, 'model' | 'version'>,
    read: (signature: ModelManifest['interface']) => T,
  ): T {
    const live = this.find(model, version);
    const before = version === undefined ? this.#models.get(model)?.before : undefined;
    try {
      return read(live.manifest.interface);
    } catch (refusal) {
      if (!isAppError(refusal, 'tensor_invalid')) throw refusal;
      try {
        if (before) return read(before.interface);
      } catch (second) {
        if (!isAppError(second, 'tensor_invalid')) throw second;
      }
      live.countRefused(false);
      throw refusal;
    }
  }

  /** Takes a label for an earlier answer, of whichever version. Throws `model_not_served`, `prediction_unknown`, `label_known`, `label_invalid`. */
  async label(model: string, id: string, label: GivenLabel | readonly GivenLabel[]): Promise<void> {
    this.find(model);
    const { version, rows } = await this.#predictions.label(model, id, label);
    this.#props.recorder.labelled(version, rows);
  }

  /** Ends every runner, those that serve after the requests they have taken. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { active, standby } of this.#models.values()) {
      this.#drain(active);
      this.#drain(standby);
    }
    this.#models.clear();
    await Promise.all(this.#draining);
    await this.#runners.close();
  }

  async #inferOn(live: LiveVersion, request: InferenceRequest, startedMs: number): Promise<InferenceAnswer> {
    const wanted = request.outputs ?? live.manifest.interface.outputs.map((output) => output.name);
    const inference = await live.infer(request.inputs, wanted, startedMs, request.signal);
    const id = request.id ?? this.#newId();
    this.#predictions.keep(id, live.served, inference.outputs);
    return {
      model: live.served.model,
      version: live.served.version,
      id,
      outputs: inference.outputs.filter((output) => wanted.includes(output.name)),
      served: live.served,
      stages: inference.stages,
    };
  }

  async #open(slot: Slot, provider: string, answersFor: AnsweredOffer | undefined): Promise<LiveVersion> {
    const {
      clock,
      random,
      logger,
      recorder,
      threads = 1,
      runnerMemoryBytesMax: memoryBytesMax,
    } = this.#props;
    const candidate = variantChain(slot).find((one) => one.provider === provider);
    if (!candidate) {
      throw new AppError(
        'provider_unavailable',
        `Cannot serve ${slot.model} ${slot.version}: it has no variant for execution provider "${provider}".`,
      );
    }
    let live: LiveVersion | undefined;
    const supervisor = await RunnerSupervisor.open({
      // Each start, also one after a crash, loads the bytes that were signed or nothing.
      runner: { ...candidate.artifact, provider, threads, ...(memoryBytesMax && { memoryBytesMax }) },
      startRunner: this.#runners.start,
      clock,
      random,
      logger: logger.child({ model: slot.model, version: slot.version }),
      deadlineMs: this.deadlineMs,
      onEnd: (fault) => {
        live?.countEnd(fault);
        if (fault.code === 'slot_damaged') this.#onDamaged(slot.model, slot.manifestSha256);
      },
    });
    live = new LiveVersion({ slot, provider, answersFor, supervisor, recorder });
    return live;
  }

  #drain(live: LiveVersion | undefined): Promise<void> {
    if (!live) return Promise.resolve();
    const drained = live.supervisor.drain().finally(() => this.#draining.delete(drained));
    this.#draining.add(drained);
    return drained;
  }

  #newId(): string {
    this.#lastId += 1;
    return `${this.#idStem}-${this.#lastId}`;
  }
}

/** Why a request does not fit the interface of a version; undefined when it does. */
function refusalBy({ interface: { inputs, outputs } }: ModelManifest, request: InferenceRequest) {
  try {
    checkInputs(request.inputs, inputs);
    if (request.outputs) checkOutputNames(request.outputs, outputs);
    return undefined;
  } catch (error) {
    if (isAppError(error, 'tensor_invalid')) return error;
    throw error;
  }
}
