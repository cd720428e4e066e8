/** A clock that stands still until a test moves it. `advance` lets time pass; `set` is what an operator does to a clock. */
import type { Clock } from '../../shared/base/clock.ts';

export class ManualClock implements Clock {
  #now: number;
  #monotonic: number;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
    this.#monotonic = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** How many wait for their time. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = { at: this.#monotonic + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      const giveUp = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** How many wait for a time to come. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Moves time forward and wakes those whose time has come. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.#monotonic);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.#monotonic);
    for (const sleeper of due) sleeper.wake();
  }

  /** Sets the wall clock; no time passes. */
  set(now: number): void {
    this.#now = now;
  }
}
