/**
 * Whose bytes are read next, of all devices. Ten thousand messages that arrive together would be one turn of the event loop, in which * no other device is read: so a turn reads for some milliseconds, and the rest stay in the queue. Devices that have no more to say than what they
 * may bring at once have a line of their own, and the two lines are served by turns: a single message passes a burst, and neither
 * waits for ever. The more devices wait, the less each may bring at once. Pure but for what it remembers.
 */
import type { Unanswered } from './unanswered.ts';

/** How long one turn of the event loop reads; only of those with little to say it reads on. */
const TURN_MS = 5;
const QUIET_TURN_MS = 10;
/** Of those with little to say so many are read before one of the others. */
const QUIET_IN_A_ROW = 3;
/** What all who wait may bring in one round, and each of them. */
const ROUND_BYTES = 192 * 1024;
const SHARE_BYTES_MIN = 512;
const SHARE_BYTES_MAX = 16 * 1024;

export interface Reader {
  /** Something of it is not answered yet, or was left when it was read last. */
  readonly isBehind: boolean;
  /** Bytes that have come and are not read. */
  readonly unread: number;
  /** Its turn has come: it takes what it may read, if it still has something. */
  readOn(): void;
}

export interface ReadSchedulerProps {
  readonly unanswered: Pick<Unanswered, 'isFull' | 'onCapacity'>;
  readonly monotonic: () => number;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn: (then: () => void) => void;
}

export class ReadScheduler {
  readonly #props: ReadSchedulerProps;
  readonly #quiet = new Set<Reader>();
  readonly #others = new Set<Reader>();
  #quietInARow = 0;
  #isScheduled = false;
  /** The reader whose turn it is. */
  #called: Reader | undefined;
  /** When reading began in this turn of the event loop. */
  #since = 0;

  constructor(props: ReadSchedulerProps) {
    this.#props = props;
    props.unanswered.onCapacity(() => this.#schedule());
  }

  /** How many bytes the reader may read now. When it is none, its turn comes later. */
  take(reader: Reader): number {
    if (this.#called === reader) this.#called = undefined;
    else if (this.#waiting > 0 || !this.#mayRead()) {
      this.wait(reader);
      return 0;
    }
    return this.#shareBytes;
  }

  /** Puts the reader in line, unless it is there already. */
  wait(reader: Reader): void {
    if (!this.#quiet.has(reader) && !this.#others.has(reader)) {
      (this.#isQuiet(reader) ? this.#quiet : this.#others).add(reader);
    }
    this.#schedule();
  }

  leave(reader: Reader): void {
    this.#quiet.delete(reader);
    this.#others.delete(reader);
  }

  get #waiting(): number {
    return this.#quiet.size + this.#others.size;
  }

  get #shareBytes(): number {
    const share = Math.floor(ROUND_BYTES / (this.#waiting + 1));
    return Math.min(SHARE_BYTES_MAX, Math.max(SHARE_BYTES_MIN, share));
  }

  #mayRead(): boolean {
    if (this.#props.unanswered.isFull) return false;
    // The first to read in this turn of the event loop begins it.
    if (!this.#isScheduled) {
      this.#since = this.#props.monotonic();
      this.#schedule();
      return true;
    }
    return this.#elapsedMs < TURN_MS;
  }

  get #elapsedMs(): number {
    return this.#props.monotonic() - this.#since;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#props.nextTurn(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#waiting === 0 || !this.#mayRead()) return;
    for (let reader = this.#next(); reader; reader = this.#next()) {
      this.#called = reader;
      reader.readOn();
      this.#called = undefined;
    }
  }

  #isQuiet({ isBehind, unread }: Reader): boolean {
    return !isBehind && unread <= this.#shareBytes;
  }

  /** Undefined when this turn of the event loop has read enough. */
  #next(): Reader | undefined {
    for (const reader of this.#quiet) {
      if (this.#isQuiet(reader)) break;
      // More has come of it, or the share of each has become smaller.
      this.#quiet.delete(reader);
      this.#others.add(reader);
    }
    if (this.#props.unanswered.isFull) return undefined;
    const ms = this.#elapsedMs;
    const mayQuiet = this.#quiet.size > 0 && ms < QUIET_TURN_MS;
    const mayOthers = this.#others.size > 0 && ms < TURN_MS;
    if (!mayQuiet && !mayOthers) return undefined;
    const isQuiet = mayQuiet && (!mayOthers || this.#quietInARow < QUIET_IN_A_ROW);
    this.#quietInARow = isQuiet ? this.#quietInARow + 1 : 0;
    const line = isQuiet ? this.#quiet : this.#others;
    const [reader] = line;
    line.delete(reader!);
    return reader;
  }
}
