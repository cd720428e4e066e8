/** Repeats what a command asks again and again while the hub does not answer, up to a time without an answer. */
import { type AppError, isAppError } from '../shared/base/app-error.ts';
import { formatDuration } from '../shared/base/duration.ts';
import type { Printer } from './context.ts';

export interface HubRetryProps {
  readonly printer: Pick<Printer, 'note'>;
  /** How long the hub may not answer. */
  readonly giveUpMs: number;
}

/** Without a value when there was no answer; `retryMs`: the hub wants to be left alone for as long. */
export interface Attempt<T> {
  readonly value?: T;
  readonly retryMs: number;
}

export class HubRetry {
  readonly #props: HubRetryProps;
  #lostAt: number | undefined;

  constructor(props: HubRetryProps) {
    this.#props = props;
  }

  /** Throws what a repetition cannot mend, and the last failure when the hub does not answer for too long. */
  async attempt<T>(ask: () => Promise<T>): Promise<Attempt<T>> {
    const { printer, giveUpMs } = this.#props;
    try {
      const value = await ask();
      if (this.#lostAt !== undefined) printer.note('The hub answers again.');
      this.#lostAt = undefined;
      return { value, retryMs: 0 };
    } catch (error) {
      if (!mayPass(error)) throw error;
      const now = performance.now();
      if (this.#lostAt === undefined) {
        this.#lostAt = now;
        printer.note(`${error.message} Trying again for ${formatDuration(giveUpMs)}.`);
      }
      if (now - this.#lostAt >= giveUpMs) throw error;
      return { retryMs: Math.min(error.retryAfterMs ?? 0, giveUpMs) };
    }
  }
}

function mayPass(error: unknown): error is AppError {
  return isAppError(error) && error.entry.retry === 'later';
}
