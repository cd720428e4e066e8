/**
 * The parent's side of a runner: starts the child process, carries requests to it, and turns its end into errors. A run
 * that hangs cannot be stopped in any other way than by ending its process, so that is what a passed deadline does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { basename } from 'node:path';
import { programFile } from '../platform/installation.ts';
import type { Logger } from '../platform/logger.ts';
import { AppError } from '../shared/base/app-error.ts';
import { limits } from '../shared/base/limits.ts';
import type { ErrorCode } from '../shared/errors/catalogue.ts';
import type { Tensor, TensorSpec } from '../shared/inference/tensor.ts';
import { orphanGuard } from './orphan-guard.ts';
import type { ProcessMemory } from './own-memory.ts';
import { runnerLaunch, runnerMemoryBytesDefault } from './runner-launch.ts';
import type { ComputeStages, RunnerReply, RunnerRequest } from './runner-protocol.ts';

const STDERR_KEPT_CHARS = 4_096;
const CLOSE_GRACE_MS = 2_000;

export interface RunnerOptions {
  readonly file: string;
  /** Digest of the ONNX file: the runner loads the bytes that have it, or nothing. Absent where nothing was signed yet. */
  readonly sha256?: string;
  /** Execution provider in ONNX Runtime's lower-case name, such as `cpu`. */
  readonly provider: string;
  /** Threads inside one operator; 1 gives small models the best tail. */
  readonly threads?: number;
  /** Bound of start and load together, at most and by default `limits.runnerLoadMsMax`. */
  readonly loadMsMax?: number;
  /** Memory the runner may take: a hard limit where `runner-launch.ts` says so. By default half of the machine's. */
  readonly memoryBytesMax?: number;
  /** The runner's program; another one only in tests. */
  readonly entry?: string;
}

export interface InferOptions {
  /** Names of the outputs wanted; all tensor outputs when absent. */
  readonly outputs?: readonly string[] | undefined;
  /** How long the runner may work on this request once its turn has come. Past it the runner is killed. */
  readonly deadlineMs?: number | undefined;
  /** Stops waiting for the answer; the run itself goes on. */
  readonly signal?: AbortSignal | undefined;
}

export interface Inference {
  readonly outputs: readonly Tensor[];
  readonly stages: ComputeStages;
}

/** How a runner ended. `fault` is absent when `close()` ended it. */
export interface RunnerExit {
  readonly fault?: AppError;
}

type SuccessReply = Exclude<RunnerReply, { kind: 'failed' }>;
type RequestBody = RunnerRequest extends infer R ? (R extends unknown ? Omit<R, 'id'> : never) : never;

interface Waiter {
  readonly deadlineMs: number;
  resolve(reply: SuccessReply): void;
  reject(error: unknown): void;
}

export class RunnerProcess {
  readonly #child: ChildProcess;
  readonly #logger: Logger;
  readonly #what: string;
  /** In the order they were sent, which is the order the runner answers in. */
  readonly #waiting = new Map<number, Waiter>();
  #lastId = 0;
  #headSinceMs = 0;
  #watch: NodeJS.Timeout | undefined;
  #watchDueMs = 0;
  #stderr = '';
  #closing = false;
  #killedFor: AppError | undefined;
  #loaded: Extract<RunnerReply, { kind: 'loaded' }> | undefined;
  /** Resolves once the process is gone, whatever ended it; never rejects. */
  readonly exited: Promise<RunnerExit>;

  private constructor(child: ChildProcess, what: string, logger: Logger) {
    this.#child = child;
    this.#what = what;
    this.#logger = logger;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT_CHARS);
    });
    child.on('message', (message) => this.#receive(message as RunnerReply));
    this.exited = new Promise((resolve) => {
      let over = false;
      const end = (how: string) => {
        if (over) return;
        over = true;
        resolve(this.#end(how));
      };
      child.on('error', (error) => {
        if (child.pid === undefined) end(error.message);
      });
      child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
  }

  /**
   * Starts a runner and loads a model in it. Throws `model_does_not_load`, `slot_damaged`, `runner_out_of_memory`,
   * `provider_unavailable`, `runner_crashed` or `runner_start_timeout`; no process is left behind then.
   */
  static async start(
    options: RunnerOptions,
    { logger }: { readonly logger: Logger },
  ): Promise<RunnerProcess> {
    const {
      file,
      sha256,
      provider,
      threads = 1,
      memoryBytesMax = runnerMemoryBytesDefault(),
      entry = programFile('runner/main'),
      loadMsMax = limits.runnerLoadMsMax,
    } = options;
    const child = fork(entry, [], {
      ...runnerLaunch({ provider, threads, memoryBytesMax }),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const what = `runner of "${basename(file)}"`;
    const runner = new RunnerProcess(child, what, logger);
    const timeoutMs = Math.min(loadMsMax, limits.runnerLoadMsMax);
    const late = new AppError(
      'runner_start_timeout',
      `Cannot start the ${what} on "${provider}": it was not ready within ${timeoutMs} ms.`,
    );
    const timer = setTimeout(() => runner.#kill(late), timeoutMs);
    try {
      // Guarded before it works: until then the closed channel ends it.
      if (child.pid !== undefined) await orphanGuard.guard(child.pid);
      const model = { file, provider, threads, memoryBytesMax, ...(sha256 !== undefined && { sha256 }) };
      const reply = await runner.#request({ kind: 'load', ...model }, {});
      runner.#loaded = reply as Extract<RunnerReply, { kind: 'loaded' }>;
      return runner;
    } catch (error) {
      await runner.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get inputs(): readonly TensorSpec[] {
    return this.#loaded?.inputs ?? [];
  }

  /** The tensor outputs; a model's outputs of other kinds (sequences, maps, 4-bit numbers) are not among them. */
  get outputs(): readonly TensorSpec[] {
    return this.#loaded?.outputs ?? [];
  }

  get loadMs(): number {
    return this.#loaded?.loadMs ?? 0;
  }

  /**
   * Runs the model once. Throws `tensor_invalid`, `tensor_type_unsupported`, `answer_too_large`, `runner_out_of_memory`,
   * `inference_failed`, `inference_timeout` (and kills the runner), `runner_crashed`, or the signal's reason.
   */
  async infer(inputs: readonly Tensor[], options: InferOptions = {}): Promise<Inference> {
    const { outputs, ...rest } = options;
    const reply = await this.#request({ kind: 'infer', inputs, ...(outputs && { outputs }) }, rest);
    return reply as Extract<RunnerReply, { kind: 'inferred' }>;
  }

  /** Memory of the runner's process. */
  async memory(): Promise<ProcessMemory> {
    const reply = await this.#request({ kind: 'memory' }, {});
    const { residentBytes, peakBytes } = reply as Extract<RunnerReply, { kind: 'memory' }>;
    return { residentBytes, peakBytes };
  }

  /** Ends the runner: by itself when it is idle, with force when it does not within a grace. Never rejects. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_GRACE_MS);
    await this.exited;
    clearTimeout(timer);
  }

  #request(body: RequestBody, { deadlineMs = Infinity, signal }: InferOptions): Promise<SuccessReply> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (!this.#child.connected) return reject(this.#killedFor ?? this.#gone('it has ended'));
      this.#lastId += 1;
      const id = this.#lastId;
      if (this.#waiting.size === 0) this.#headSinceMs = performance.now();
      if (signal) {
        const abandon = () => reject(signal.reason);
        signal.addEventListener('abort', abandon, { once: true });
        const settled = () => signal.removeEventListener('abort', abandon);
        const settle =
          <V>(act: (value: V) => void) =>
          (value: V) => {
            settled();
            act(value);
          };
        this.#waiting.set(id, { deadlineMs, resolve: settle(resolve), reject: settle(reject) });
      } else {
        this.#waiting.set(id, { deadlineMs, resolve, reject });
      }
      this.#watchHead();
      this.#child.send({ ...body, id } as never, (error) => {
        if (error) this.#logger.debug({ runner: this.#what, err: error }, 'request did not reach the runner');
      });
    });
  }

  #receive(reply: RunnerReply): void {
    const waiter = this.#waiting.get(reply.id);
    if (!waiter) return;
    this.#waiting.delete(reply.id);
    this.#headSinceMs = performance.now();
    this.#watchHead();
    if (reply.kind === 'failed') {
      waiter.reject(new AppError(reply.fault.code as ErrorCode, reply.fault.message));
    } else {
      waiter.resolve(reply);
    }
  }

  /** One lazy timer watches the oldest request, so that a request costs no timer of its own. */
  #watchHead(): void {
    const head = this.#waiting.values().next().value;
    if (!head || head.deadlineMs === Infinity) return;
    const dueMs = this.#headSinceMs + head.deadlineMs;
    if (this.#watch && this.#watchDueMs <= dueMs) return;
    clearTimeout(this.#watch);
    this.#watchDueMs = dueMs;
    const waitMs = Math.min(Math.max(0, dueMs - performance.now()) + 1, 2 ** 31 - 1);
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      const late = this.#waiting.values().next().value;
      if (late && performance.now() - this.#headSinceMs >= late.deadlineMs) {
        this.#kill(
          new AppError(
            'inference_timeout',
            `Cannot answer: the ${this.#what} did not answer within ${late.deadlineMs} ms. The agent ended it.`,
          ),
        );
      } else this.#watchHead();
    }, waitMs);
    this.#watch.unref();
  }

  #kill(reason: AppError): void {
    this.#killedFor ??= reason;
    const head = this.#waiting.entries().next().value;
    if (head) {
      this.#waiting.delete(head[0]);
      head[1].reject(reason);
    }
    this.#child.kill('SIGKILL');
  }

  #end(how: string): RunnerExit {
    clearTimeout(this.#watch);
    if (this.pid !== undefined) orphanGuard.release(this.pid);
    const fault = this.#killedFor ?? this.#gone(how);
    for (const waiter of this.#waiting.values()) {
      waiter.reject(this.#closing ? this.#gone('it was closed') : this.#gone(how));
    }
    this.#waiting.clear();
    if (this.#closing && !this.#killedFor) return {};
    this.#logger.warn(
      { runner: this.#what, pid: this.pid, how, lastOutput: this.#stderr.slice(-1_000) },
      'a runner ended unexpectedly',
    );
    return { fault };
  }

  #gone(how: string): AppError {
    return new AppError('runner_crashed', `Cannot answer: the ${this.#what} ended (${how}).`);
  }
}
