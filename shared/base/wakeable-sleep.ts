import type { Clock } from './clock.ts';

/** The sleep of a loop that news may end early. One at a time. */
export class WakeableSleep {
  readonly #clock: Pick<Clock, 'sleep'>;
  #sleeping: AbortController | undefined;

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock;
  }

  /** Ends the sleep under way. Without one it does nothing: whoever sleeps next looks for news first. */
  wake(): void {
    this.#sleeping?.abort();
  }

  /** Resolves after `ms`, when woken, or when `signal` is aborted. `ms` may be infinite. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    const sleeping = new AbortController();
    this.#sleeping = sleeping;
    const ended = AbortSignal.any([signal, sleeping.signal]);
    if (ms < Number.POSITIVE_INFINITY) await this.#clock.sleep(ms, ended).catch(() => undefined);
    else if (!ended.aborted) {
      await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }));
    }
    this.#sleeping = undefined;
  }
}
