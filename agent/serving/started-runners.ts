/** Every runner that was started and has not ended: what serves, what qualifies, what only starts. None outlives `close`. */
import { AppError } from '../../shared/base/app-error.ts';
import type { Runner, StartRunner } from './runner-supervisor.ts';

export class StartedRunners {
  readonly #start: StartRunner;
  readonly #starting = new Set<Promise<Runner>>();
  readonly #up = new Set<Runner>();
  #isClosed = false;

  constructor(start: StartRunner) {
    this.#start = start;
  }

  /** Throws `model_not_ready` once closed, and what the start throws. */
  readonly start: StartRunner = async (...options) => {
    if (this.#isClosed) throw closed();
    const starting = this.#start(...options);
    this.#starting.add(starting);
    const runner = await starting.finally(() => this.#starting.delete(starting));
    this.#up.add(runner);
    void runner.exited.then(() => this.#up.delete(runner));
    if (!this.#isClosed) return runner;
    await runner.close();
    throw closed();
  };

  /** Ends all of them at once; resolves when the last is gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#up].map((runner) => runner.close()));
  }
}

function closed(): AppError {
  return new AppError('model_not_ready', 'Cannot start a runner: the agent is shutting down.');
}
