/**
 * Whose bytes are read next, of all devices. Ten thousand messages that arrive together would be one turn of the event loop, in which
 * nobody else is heard: so a turn reads for some milliseconds, and who is left stands in line. Devices that have no more to say than what they
 * may bring at once have a line of their own, and the two lines are served by turns: a single message passes a burst, and neither
 * waits for ever. The more devices wait, the less each may bring at once. Pure but for what it remembers.
 */
import type { Unanswered } from './unanswered.ts';

const TURN_MS = 5;
/** What all who wait may bring in one round, and each of them. */
const ROUND_BYTES = 192 * 1024;
const SHARE_BYTES_MIN = 512;
const SHARE_BYTES_MAX = 16 * 1024;

export interface Reader {
  /** Messages of it that are not answered yet, and bytes that have come and are not read. */
  readonly unanswered: number;
  readonly unread: number;
  /** Its turn has come: it takes what it may read, if it still has something. */
  readOn(): void;
}

export interface ReadTurnsProps {
  readonly unanswered: Pick<Unanswered, 'isFull' | 'onRoom'>;
  readonly monotonic: () => number;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn: (then: () => void) => void;
}

export class ReadTurns {
  readonly #props: ReadTurnsProps;
  readonly #quiet = new Set<Reader>();
  readonly #others = new Set<Reader>();
  #isTurnOfOthers = false;
  #isScheduled = false;
  /** The reader whose turn it is. */
  #called: Reader | undefined;
  /** When reading began in this turn of the event loop. */
  #since = 0;

  constructor(props: ReadTurnsProps) {
    this.#props = props;
    props.unanswered.onRoom(() => this.#schedule());
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
    return this.#props.monotonic() - this.#since < TURN_MS;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#props.nextTurn(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    while (this.#waiting > 0 && this.#mayRead()) {
      const reader = this.#next();
      this.#called = reader;
      reader.readOn();
      this.#called = undefined;
    }
    // While nothing more can be taken, whoever gives room says so.
    if (this.#waiting > 0 && !this.#props.unanswered.isFull) this.#schedule();
  }

  #isQuiet({ unanswered, unread }: Reader): boolean {
    return unanswered === 0 && unread <= this.#shareBytes;
  }

  #next(): Reader {
    for (const reader of this.#quiet) {
      if (this.#isQuiet(reader)) break;
      // More has come of it, or the share of each has become smaller.
      this.#quiet.delete(reader);
      this.#others.add(reader);
    }
    this.#isTurnOfOthers = !this.#isTurnOfOthers;
    const lines = this.#isTurnOfOthers ? [this.#others, this.#quiet] : [this.#quiet, this.#others];
    const line = lines.find(({ size }) => size > 0)!;
    const [reader] = line;
    line.delete(reader!);
    return reader!;
  }
}
