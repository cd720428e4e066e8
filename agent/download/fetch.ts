/** A chunk that was asked for. */
export interface Asked {
  readonly request: number;
  /** Monotonic milliseconds, and the bytes the connection had brought by then. */
  readonly at: number;
  readonly bytesBefore: number;
  /** The hub has said that it stands in line, and when to ask again should it not have come. */
  queuedUntil?: number;
}

import type { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';

/** One download of a version's chunks, as far as it has come. */
export interface Fetch {
  readonly manifest: string;
  readonly waiting: string[];
  /** Asked for and not come, by digest. */
  readonly inFlight: Map<string, Asked>;
  /** Given up once: such a chunk is taken whenever it comes, and its time says nothing (Karn's rule, RFC 6298, section 3). */
  readonly late: Set<string>;
  /** Chunks being written: still in `inFlight`, so that their credit stays taken. */
  readonly storing: Set<string>;
  readonly bad: Map<string, number>;
  pauseUntil: number;
  missingAnswers: number;
  fault: unknown;
  waits: Generator<number, never>;
  /** Since when the hub has said that it stands in line, and nothing has come; milliseconds since the epoch. */
  queuedSince: number | undefined;
  /** Until there is something to do: a chunk or an error came, or the link changed. */
  readonly sleep: WakeableSleep;
}
