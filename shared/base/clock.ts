/** Time as a dependency: what runs in production reads the system clock, what runs in a test is told the time. */
export interface Clock {
  /** Milliseconds since the epoch; may jump when the system clock is set. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A source of numbers in [0, 1), injected wherever chance is used. */
export type Random = () => number;
