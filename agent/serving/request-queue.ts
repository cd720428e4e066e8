/**
 * The requests that wait for one runner: bounded in number and in time. Some are in the runner's own hands, so that it
 * never idles between two; the rest wait here, where they can still be turned away.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { ServicePace } from './service-pace.ts';

export interface RequestQueueProps {
  /** Requests handed over at once, however long one takes. */
  readonly width: number;
  /** Most requests handed over at once, when each takes next to nothing; `width` by default. */
  readonly widthMax?: number;
  /** Requests that may wait beside those. */
  readonly waitingMax: number;
  /** How long one may wait. */
  readonly waitMsMax: number;
}

interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: unknown) => void;
}

/** Work the runner has at hand, in time: enough to last until the agent has seen to everything else. */
const AT_HAND_MS = 5;

export class RequestQueue {
  readonly #props: RequestQueueProps;
  readonly #waiting = new Set<Waiting>();
  readonly #pace = new ServicePace();
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(props: RequestQueueProps) {
    this.#props = props;
  }

  /** Requests that run or wait. */
  get size(): number {
    return this.#running + this.#waiting.size;
  }

  /** What one request takes, milliseconds; 0 before any ended. */
  get eachMs(): number {
    return this.#pace.eachMs;
  }

  /** Throws `overloaded` when one more would find no place, or would by what others took wait longer than it may. */
  #expectSpace(): void {
    const { waitingMax, waitMsMax } = this.#props;
    if (this.#running < this.#width()) return;
    const waiting = this.#waiting.size;
    if (waiting >= waitingMax) throw overloaded(`${waitingMax} requests are already waiting`, 1_000);
    const waitMs = waiting * this.#pace.eachMs;
    if (waitMs > waitMsMax) {
      throw overloaded(
        `it would wait ${Math.round(waitMs)} ms for its turn, but at most ${waitMsMax} are allowed`,
        1_000,
      );
    }
  }

  /**
   * Runs `work` when its turn comes. Throws `overloaded` when it would find no place, or wait too long by what others
   * took, `inference_timeout` when it did, the signal's reason when it is aborted while the request waits.
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.#width()) {
      if (this.#running === 0) this.#pace.begin(performance.now());
      this.#running += 1;
    } else await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#pace.done(performance.now());
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

  #width(): number {
    const { width, widthMax = width } = this.#props;
    const { eachMs } = this.#pace;
    return eachMs === 0 ? width : Math.min(widthMax, Math.max(width, Math.floor(AT_HAND_MS / eachMs)));
  }

  /** Resolves with a place of its own. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    this.#expectSpace();
    const { waitMsMax } = this.#props;
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abandon);
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
      const abandon = () => waiting.refuse(signal?.reason);
      const timer = setTimeout(() => {
        waiting.refuse(
          new AppError(
            'inference_timeout',
            `Cannot answer: the request waited ${waitMsMax} ms in the queue.`,
          ),
        );
      }, waitMsMax);
      signal?.addEventListener('abort', abandon, { once: true });
      this.#waiting.add(waiting);
    });
  }

  /** Gives the place of a finished request to those that wait longest, and as many as the pace allows. */
  #passOn(): void {
    this.#running -= 1;
    for (const waiting of this.#waiting) {
      if (this.#running >= this.#width()) return;
      this.#running += 1;
      waiting.start();
    }
    this.#announceIdle();
  }

  #announceIdle(): void {
    if (this.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function overloaded(why: string, retryAfterMs: number): AppError {
  return new AppError('overloaded', `Cannot accept the request: ${why}.`, { retryAfterMs });
}
