/** The updates of all models of a device: one runner each, made when a model is first named. */

import { AppError, errorText } from '../../shared/base/app-error.ts';
import type { Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { DesiredState } from '../../shared/protocol/desired-state.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { DownloadProgress } from '../download/version-download.ts';
import { reportModel } from './model-report.ts';
import { isSettled } from './update-machine.ts';
import type { UpdateRecord } from './update-record.ts';
import { UpdateRunner, type UpdateRunnerProps } from './update-runner.ts';

/** Versions of a model that were quarantined and are no more. */
export interface ReleasedModel {
  readonly model: string;
  readonly versions: readonly string[];
}

export interface ModelUpdatesProps extends UpdateRunnerProps {
  readonly progress: (manifestSha256: string) => DownloadProgress;
}

const DISCARD_AGAIN_MS = 60_000;

export class ModelUpdates {
  readonly #props: ModelUpdatesProps;
  readonly #runners = new Map<string, UpdateRunner>();
  readonly #running = new Set<Promise<void>>();
  /** What ends each runner that runs. */
  readonly #stops = new Map<string, () => Promise<void>>();
  readonly #givenUp = new Set<string>();
  #followed: DesiredState | undefined;
  #signal: AbortSignal | undefined;

  constructor(props: ModelUpdatesProps) {
    this.#props = props;
  }

  /** Reads the journals; called once, before anything else. */
  async load(): Promise<void> {
    const { journal, slots } = this.#props;
    const installed = slots.models();
    for (const model of new Set([...(await journal.models()), ...installed])) {
      const record = await journal.read(model);
      // A journal that says nothing, of a model that is not there, is nobody's.
      if (record || installed.includes(model)) this.#add(record, model);
    }
  }

  /** Highest desired-state sequence the journals have seen. */
  get sequence(): number {
    return Math.max(0, ...[...this.#runners.values()].map(({ record }) => record.attempt?.sequence ?? 0));
  }

  /** Serves what is installed (promise P2); a model that is slow to load holds up none of the others. */
  async restore(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.restore()));
  }

  /** Starts to follow desired versions; resolves when `signal` has ended every runner. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const runner of this.#runners.values()) this.#start(runner, signal);
    while (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await Promise.all(this.#running);
  }

  /** Files of a version that answers were found damaged. */
  readonly replaceDamaged = (model: string, manifestSha256: string): void => {
    this.#runners
      .get(model)
      ?.replaceDamaged(manifestSha256)
      .catch((error: unknown) =>
        this.#props.logger.error({ model, reason: errorText(error) }, 'damaged version was not replaced'),
      );
  };

  follow(state: DesiredState): void {
    this.#followed = state;
    const wanted = new Map(state.models.map((model) => [model.model, model]));
    const released = new Map((state.released ?? []).map(({ model, at }) => [model, at]));
    for (const model of state.unassigned ?? []) if (!wanted.has(model)) this.#giveUp(model);
    for (const model of wanted.keys()) if (!this.#runners.has(model)) this.#add(undefined, model);
    for (const [model, runner] of this.#runners) {
      if (this.#givenUp.has(model)) continue;
      const desired = wanted.get(model);
      runner.setDesired(desired && { ...desired, sequence: state.sequence }, released.get(model));
    }
  }

  /** The link came or went, or a hold was lifted. */
  notify(): void {
    for (const runner of this.#runners.values()) runner.notify();
  }

  /** Throws `not_found`, `no_previous_version`, `update_under_way`. */
  orderBack(model: string): void {
    const runner = this.#runners.get(model);
    if (runner === undefined)
      throw new AppError('not_found', `Cannot roll back "${model}": this device does not have this model.`);
    runner.orderBack();
  }

  /** Lets what is quarantined or was refused be tried again, of one model or of all. Throws `not_found`. */
  release(model: string | undefined): readonly ReleasedModel[] {
    if (model !== undefined && !this.#runners.has(model))
      throw new AppError('not_found', `Cannot release "${model}": this device does not have this model.`);
    const runners = [...this.#runners].filter(([name]) => model === undefined || name === model);
    return runners.map(([name, runner]) => ({ model: name, versions: runner.release() }));
  }

  models(): readonly string[] {
    return [...this.#runners.keys()];
  }

  /** Manifest digests that updates under way work on: their slots and chunks must stay. */
  pinned(): ReadonlySet<string> {
    const pinned = new Set<string>();
    for (const { record } of this.#runners.values()) {
      if (record.attempt && !isSettled(record.attempt.state)) pinned.add(record.attempt.manifest);
    }
    return pinned;
  }

  report(nowMs: number): readonly ReportedModel[] {
    return [...this.#runners.values()].map(({ record }) => this.#reportOne(record, nowMs));
  }

  #reportOne(record: UpdateRecord, nowMs: number): ReportedModel {
    const { attempt, model } = record;
    const progress = attempt?.state === 'downloading' ? this.#props.progress(attempt.manifest) : undefined;
    const { slots, served } = this.#props;
    return reportModel(model, record, slots.of(model), { nowMs, progress, serving: served.serving(model) });
  }

  #add(record: UpdateRecord | undefined, model: string): void {
    if (this.#runners.size >= limits.modelsPerDeviceMax) {
      this.#props.logger.error(
        { model, limit: limits.modelsPerDeviceMax },
        'model is ignored: too many models',
      );
      return;
    }
    const known = record ?? {
      v: 2,
      model,
      stream: newStream(this.#props.random),
      quarantined: [],
      answered: [],
    };
    const runner = new UpdateRunner(known, this.#props);
    this.#runners.set(model, runner);
    if (this.#signal) this.#start(runner, this.#signal);
  }

  #start(runner: UpdateRunner, signal: AbortSignal): void {
    const stopped = new AbortController();
    const run = runner.run(AbortSignal.any([signal, stopped.signal]));
    const running = run.finally(() => this.#running.delete(running));
    this.#running.add(running);
    this.#stops.set(runner.model, async () => {
      stopped.abort();
      await running;
    });
  }

  #giveUp(model: string): void {
    const runner = this.#runners.get(model);
    if (runner === undefined || this.#givenUp.has(model)) return;
    this.#givenUp.add(model);
    const discarding = this.#discard(runner).finally(() => this.#running.delete(discarding));
    this.#running.add(discarding);
  }

  /** Until it is gone, or the agent ends: then the statement says it again at the next start. */
  async #discard(runner: UpdateRunner): Promise<void> {
    const { model } = runner;
    const { clock, logger, onChange } = this.#props;
    await this.#stops.get(model)?.();
    for (;;) {
      try {
        await runner.discard();
        break;
      } catch (error) {
        logger.error(
          { model, reason: errorText(error) },
          'a model that is no longer assigned could not be deleted',
        );
        await clock.sleep(DISCARD_AGAIN_MS, this.#signal).catch(() => undefined);
        if (this.#signal?.aborted) return;
      }
    }
    this.#stops.delete(model);
    this.#runners.delete(model);
    this.#givenUp.delete(model);
    logger.info({ model }, 'model was given up: the hub took it off this device');
    onChange();
    // It may have been assigned again meanwhile.
    if (this.#followed && !this.#signal?.aborted) this.follow(this.#followed);
  }
}

/** 16 hex digits. */
function newStream(random: Random): string {
  const half = () =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return half() + half();
}
