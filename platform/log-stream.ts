/**
 * Where log lines go: standard error, which may be full, closed, or a pipe that nobody reads; or a file on a disk that may be full. Writing never waits, neither on
 * the event loop nor on a thread that would keep the process from ending. What is not taken is kept up to a bound, then lost;
 * how many lines were lost is counted, and told in the log once it takes lines again.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { limits } from '../shared/base/limits.ts';
import { safeJson } from '../shared/base/safe-text.ts';

/** Lines of the same moment go in one write. */
const TOGETHER_MS = 10;
/** A pipe takes 64 KiB: more would be gathered for nothing. */
const LINES_TOGETHER_MAX = 256;
/** How soon a reader that took nothing is tried again. */
const AGAIN_MS = 200;

export class LogStream {
  readonly #fd: number;
  readonly #lossLine: (lost: number) => string;
  /** Whole lines, the first of which may be partly written. */
  readonly #waiting: Buffer[] = [];
  #bytesWaiting = 0;
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;
  #lostReported = 0;

  /** `lossLine` writes the line, with its end, that says how many were lost. */
  constructor(lossLine: (lost: number) => string, fd = 2) {
    this.#lossLine = lossLine;
    this.#fd = nonBlocking(fd);
  }

  /** Lines that nobody will see. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes one line of JSON, with its end; a terminal may be where it goes. */
  write(line: string): void {
    const bytes = Buffer.from(safeJson(line));
    if (this.#bytesWaiting + bytes.length > limits.logBytesWaitingMax) {
      this.#lost += 1;
      return;
    }
    this.#keep(bytes);
    this.#later(TOGETHER_MS);
  }

  /** Writes what is waiting, as far as it is taken at once. */
  flush(done?: () => void): void {
    this.#send();
    done?.();
  }

  /** What pino calls after a line of the level `fatal`. */
  flushSync(): void {
    this.#send();
  }

  /** Writes what is waiting and gives the descriptor back; nothing may be written after it. */
  close(): void {
    this.#send();
    clearTimeout(this.#timer);
    closeSync(this.#fd);
  }

  #later(ms: number): void {
    // Lines alone do not keep a program running: who ends it flushes.
    this.#timer ??= setTimeout(() => this.#send(), ms).unref();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      this.#drain();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN' && code !== 'EINTR') this.#giveUp();
    }
    if (this.#waiting.length > 0 || this.#lost > this.#lostReported) this.#later(AGAIN_MS);
  }

  #drain(): void {
    while (this.#waiting.length > 0) {
      this.#taken(writeSync(this.#fd, Buffer.concat(this.#waiting.slice(0, LINES_TOGETHER_MAX))));
    }
    if (this.#lost === this.#lostReported) return;
    const lost = this.#lost;
    const line = Buffer.from(this.#lossLine(lost));
    const written = writeSync(this.#fd, line);
    this.#lostReported = lost;
    if (written < line.length) this.#keep(line.subarray(written));
  }

  #keep(line: Buffer): void {
    this.#waiting.push(line);
    this.#bytesWaiting += line.length;
  }

  #taken(bytes: number): void {
    this.#bytesWaiting -= bytes;
    let left = bytes;
    while (this.#waiting.length > 0 && left >= this.#waiting[0]!.length)
      left -= this.#waiting.shift()!.length;
    if (left > 0) this.#waiting[0] = this.#waiting[0]!.subarray(left);
  }

  /** A full disk, a closed pipe: what waits is lost, and the next lines are tried again. */
  #giveUp(): void {
    this.#lost += this.#waiting.length;
    this.#waiting.length = 0;
    this.#bytesWaiting = 0;
  }
}

/**
 * A descriptor of the same file on which a write never waits. A pipe or a terminal is opened anew, because the flag would
 * hold for every program that shares it; a socket cannot be, so there the flag is set.
 */
function nonBlocking(fd: number): number {
  try {
    const found = fstatSync(fd);
    if (found.isSocket()) {
      // Kept open by nobody: only made, because making it sets the flag.
      new Socket({ fd, readable: false, writable: true }).unref();
      return fd;
    }
    if (found.isFIFO() || found.isCharacterDevice()) {
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    }
  } catch {
    // Closed, or a system without /proc: then a write says so, or waits.
  }
  return fd;
}
