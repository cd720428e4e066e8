/**
 * Keeps one runner up for one version: carries its requests, and starts another process, with growing waits, when one
 * ends unasked. While none is up, requests are turned away at once rather than held.
 */
import { basename } from 'node:path';
import type { Logger } from '../../platform/logger.ts';
import type { Inference, RunnerOptions, RunnerProcess } from '../../runner/runner-client.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { retrySchedule } from '../../shared/base/retry-schedule.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { RequestQueue } from './request-queue.ts';

/** What serving needs of a runner; `RunnerProcess` is the one there is. */
export type Runner = Pick<
  RunnerProcess,
  'infer' | 'inputs' | 'outputs' | 'memory' | 'exited' | 'close' | 'pid'
>;
export type StartRunner = (options: RunnerOptions, props: { readonly logger: Logger }) => Promise<Runner>;

/**
 * Two: the runner works on one while the next is already on its way to it. More where they are short: the agent, which
 * sees to many connections at once, must not find the runner idle when it looks again.
 */
const REQUESTS_IN_RUNNER = 2;
const SHORT_REQUESTS_IN_RUNNER = 32;
/** A runner that held this long did not end of its start; waits begin anew. */
const STEADY_MS = 60_000;

export interface RunnerSupervisorProps {
  readonly runner: RunnerOptions;
  readonly startRunner: StartRunner;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly deadlineMs: number;
  /** Called each time the runner ended unasked, or did not come up again. */
  readonly onEnd: (fault: AppError) => void;
}

export class RunnerSupervisor {
  readonly #props: RunnerSupervisorProps;
  readonly #queue: RequestQueue;
  readonly #closed = new AbortController();
  #runner: Runner | undefined;
  #kept: Promise<void> = Promise.resolve();

  private constructor(props: RunnerSupervisorProps) {
    this.#props = props;
    this.#queue = new RequestQueue({
      width: REQUESTS_IN_RUNNER,
      widthMax: SHORT_REQUESTS_IN_RUNNER,
      waitingMax: limits.inferQueueMax,
      waitMsMax: props.deadlineMs,
    });
  }

  /** Starts the first runner; throws what its start throws. */
  static async open(props: RunnerSupervisorProps): Promise<RunnerSupervisor> {
    const supervisor = new RunnerSupervisor(props);
    const runner = await props.startRunner(props.runner, props);
    supervisor.#kept = supervisor.#keep(runner);
    return supervisor;
  }

  get ready(): boolean {
    return this.#runner !== undefined;
  }

  /** Requests that run or wait. */
  get pending(): number {
    return this.#queue.size;
  }

  /** Process id of the runner that is up. */
  get pid(): number | undefined {
    return this.#runner?.pid;
  }

  /** What one request takes of the runner, milliseconds; 0 before any was answered. */
  get eachMs(): number {
    return this.#queue.eachMs;
  }

  /**
   * Runs the model. Throws `overloaded`, `model_not_ready`, `runner_crashed`, `inference_timeout`, `inference_failed`,
   * `tensor_invalid`, or the reason of `signal`: nobody waits for the answer any more. A run under way then keeps its place
   * until it ends, for the runner works on it all the same.
   */
  infer(inputs: readonly Tensor[], outputs: readonly string[], signal?: AbortSignal): Promise<Inference> {
    if (!this.#runner) return Promise.reject(this.#notReady());
    const inference = this.#queue.run(() => {
      if (!this.#runner) throw this.#notReady();
      return this.#runner.infer(inputs, { outputs, deadlineMs: this.#props.deadlineMs });
    }, signal);
    return signal ? unlessAborted(inference, signal) : inference;
  }

  /** Lets the requests it has taken finish, then ends the runner. */
  async drain(): Promise<void> {
    await this.#queue.idle();
    await this.close();
  }

  /** Ends the runner and restarts nothing. */
  async close(): Promise<void> {
    this.#closed.abort(
      new AppError('model_not_ready', 'Cannot answer: this device no longer serves the version.'),
    );
    await this.#runner?.close();
    await this.#kept;
  }

  async #keep(first: Runner): Promise<void> {
    const { clock, random, logger, onEnd, runner: options } = this.#props;
    const file = basename(options.file);
    let waits = retrySchedule({ firstMs: 100, maxMs: 30_000, random });
    let runner: Runner | undefined = first;
    while (!this.#closed.signal.aborted) {
      if (runner) {
        const upSince = clock.monotonic();
        this.#runner = runner;
        const { fault } = await runner.exited;
        this.#runner = undefined;
        this.#queue.refuseWaiting(this.#notReady());
        if (this.#closed.signal.aborted) return;
        if (clock.monotonic() - upSince > STEADY_MS) {
          waits = retrySchedule({ firstMs: 100, maxMs: 30_000, random });
        }
        if (fault) onEnd(fault);
      }
      const waitMs = waits.next().value;
      logger.warn({ file, waitMs }, 'the runner ended and is restarted');
      await clock.sleep(waitMs, this.#closed.signal).catch(() => undefined);
      if (this.#closed.signal.aborted) return;
      runner = await this.#restart();
    }
    await runner?.close();
  }

  async #restart(): Promise<Runner | undefined> {
    const { runner, startRunner, logger, onEnd } = this.#props;
    try {
      return await startRunner(runner, { logger });
    } catch (error) {
      if (this.#closed.signal.aborted) return undefined;
      logger.error({ file: basename(runner.file), reason: errorText(error) }, 'the runner does not start');
      if (isAppError(error)) onEnd(error);
      return undefined;
    }
  }

  #notReady(): AppError {
    return new AppError(
      'model_not_ready',
      `Cannot answer: the runner of "${basename(this.#props.runner.file)}" is not running. The agent is restarting it.`,
      { retryAfterMs: 1_000 },
    );
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = () => reject(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon));
  });
}
