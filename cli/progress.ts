/**
 * Progress of what takes long, on standard error: one line that is written over on a terminal, a line now and then in a pipe,
 * nothing where remarks are left out. What ends soon shows nothing.
 */

import { formatBytes } from '../shared/base/bytes.ts';
import type { Clock } from '../shared/base/clock.ts';
import { formatDuration } from '../shared/base/duration.ts';
import { safeLine } from '../shared/base/safe-text.ts';

/** Between two lines. */
const EVERY_MS = { terminal: 200, pipe: 5_000 } as const;
const CLEAR_LINE = '\r\u001b[K';

export interface Progress {
  /** `done` of `total` bytes of what `name` says, such as `Uploading`. */
  bytes(name: string, done: number, total: number): void;
  /** A step whose length is not known has begun. */
  step(name: string): void;
  /** Nothing more follows; the line of a terminal is removed. */
  end(): void;
}

interface ProgressProps {
  readonly err: (text: string) => void;
  readonly isTerminal: boolean;
  readonly isQuiet: boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
}

export class ProgressLine implements Progress {
  readonly #props: ProgressProps;
  readonly #everyMs: number;
  #name = '';
  #startedMs = 0;
  #shownMs = 0;
  #isShown = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(props: ProgressProps) {
    this.#props = props;
    this.#everyMs = EVERY_MS[props.isTerminal ? 'terminal' : 'pipe'];
  }

  bytes(name: string, done: number, total: number): void {
    const elapsedMs = this.#begin(name);
    if (total <= 0) return;
    const share = Math.floor((100 * done) / total);
    const rate = elapsedMs > 0 ? `, ${formatBytes(Math.round((1_000 * done) / elapsedMs))}/s` : '';
    this.#show(`${name}: ${formatBytes(done)} of ${formatBytes(total)} (${share} %)${rate}`);
  }

  step(name: string): void {
    this.#begin(name);
    if (this.#props.isQuiet) return;
    // Nothing else calls while the step works.
    this.#timer = setInterval(() => this.#show(`${name}, ${formatDuration(this.#elapsed())}`), this.#everyMs);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#isShown && this.#props.isTerminal) this.#props.err(CLEAR_LINE);
    this.#isShown = false;
    this.#name = '';
  }

  /** Milliseconds since what is called so began. */
  #begin(name: string): number {
    if (name !== this.#name) {
      clearInterval(this.#timer);
      this.#name = name;
      this.#startedMs = this.#props.clock.monotonic();
      this.#shownMs = this.#startedMs;
    }
    return this.#elapsed();
  }

  #elapsed(): number {
    return this.#props.clock.monotonic() - this.#startedMs;
  }

  #show(text: string): void {
    const { err, isTerminal, isQuiet, clock } = this.#props;
    const nowMs = clock.monotonic();
    if (isQuiet || nowMs - this.#shownMs < this.#everyMs) return;
    this.#shownMs = nowMs;
    this.#isShown = true;
    err(isTerminal ? `${CLEAR_LINE}${safeLine(text)}` : `${safeLine(text)}\n`);
  }
}
