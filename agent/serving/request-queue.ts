/**
 * The requests that wait for one runner: bounded in number and in time. A few are in the runner's own hands, so that it
 * never idles between two; the rest wait here, where they can still be turned away.
 */
import { AppError } from '../../shared/base/app-error.ts';

export interface RequestQueueProps {
  /** Requests handed over at once. */
  readonly width: number;
  /** Requests that may wait beside those. */
  readonly waitingMax: number;
  /** How long one may wait. */
  readonly waitMsMax: number;
}

interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: AppError) => void;
}

export class RequestQueue {
  readonly #props: RequestQueueProps;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(props: RequestQueueProps) {
    this.#props = props;
  }

  /** Requests that run or wait. */
  get size(): number {
    return this.#running + this.#waiting.size;
  }

  /** Runs `work` when its turn comes. Throws `overloaded` when too many wait, `inference_timeout` when it waited too long. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#props.width) this.#running += 1;
    else await this.#turn();
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  /** Turns away everything that waits. */
  refuseWaiting(error: AppError): void {
    for (const waiting of this.#waiting) waiting.refuse(error);
  }

  /** Resolves once nothing runs or waits. */
  async idle(): Promise<void> {
    if (this.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Resolves with a place of its own. */
  #turn(): Promise<void> {
    const { waitingMax, waitMsMax } = this.#props;
    if (this.#waiting.size >= waitingMax) {
      throw new AppError('overloaded', `Cannot take the request: ${waitingMax} wait already.`, {
        retryAfterMs: 1_000,
      });
    }
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        start: () => {
          settle();
          resolve();
        },
        refuse: (error) => {
          settle();
          reject(error);
          this.#announceIdle();
        },
      };
      const timer = setTimeout(() => {
        waiting.refuse(
          new AppError(
            'inference_timeout',
            `Cannot answer: the request waited ${waitMsMax} ms for its turn.`,
          ),
        );
      }, waitMsMax);
      this.#waiting.add(waiting);
    });
  }

  /** Gives the place of a finished request to the one that waits longest. */
  #passOn(): void {
    for (const waiting of this.#waiting) {
      waiting.start();
      return;
    }
    this.#running -= 1;
    this.#announceIdle();
  }

  #announceIdle(): void {
    if (this.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
