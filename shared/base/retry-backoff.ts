/**
 * A failure that will be the same failure until something changes. Says when another try is worth its work: when what the
 * try looks at has changed, when the clock was set, or after a wait that doubles with each failure.
 */
import type { Clock } from './clock.ts';

export interface RetryBackoffOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Less than this is what a clock may be moved by its own correction. */
const CLOCK_SET_MS = 60_000;

/** Tells whether somebody has set the clock since it was made. */
export function clockWatch(clock: Pick<Clock, 'now' | 'monotonic'>): () => boolean {
  const offset = () => clock.now() - clock.monotonic();
  const before = offset();
  return () => Math.abs(offset() - before) > CLOCK_SET_MS;
}

export class RetryBackoff {
  readonly #options: RetryBackoffOptions;
  #failures = 0;
  #last: { readonly revision: number; readonly at: number; readonly wasClockSet: () => boolean } | undefined;

  constructor(options: RetryBackoffOptions) {
    this.#options = options;
  }

  /** A try on this revision of what it looks at has failed. Returns the wait in milliseconds. */
  failed(revision: number): number {
    this.#failures = this.#last && !this.#hasNews(revision) ? this.#failures + 1 : 1;
    this.#last = {
      revision,
      at: this.#options.clock.monotonic(),
      wasClockSet: clockWatch(this.#options.clock),
    };
    return this.#waitMs;
  }

  /** A try succeeded. */
  clear(): void {
    this.#failures = 0;
    this.#last = undefined;
  }

  /** Whether a try now may end otherwise than the last one; true when none has failed. */
  mayPass(revision: number): boolean {
    if (!this.#last || this.#hasNews(revision)) return true;
    return this.#options.clock.monotonic() - this.#last.at >= this.#waitMs;
  }

  get #waitMs(): number {
    const { firstMs, maxMs } = this.#options;
    return Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures - 1, 30));
  }

  #hasNews(revision: number): boolean {
    const last = this.#last!;
    return last.revision !== revision || last.wasClockSet();
  }
}
