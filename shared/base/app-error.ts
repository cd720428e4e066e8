/**
 * The one error class that crosses boundaries: a stable code from the catalogue, a message written for the person
 * who reads it (states the action, quotes the values, names the state wanted), and the cause.
 */
import { type ErrorCode, errorCatalogue } from '../errors/catalogue.ts';
import type { ErrorEntry } from '../errors/error-entry.ts';

export interface AppErrorOptions {
  readonly cause?: unknown;
  /** Facts a program may want; shown in JSON answers, so never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** How long to wait before the same request may succeed, milliseconds. */
  readonly retryAfterMs?: number;
}

export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** What the catalogue says of this error's code: HTTP status, whether a retry can help, meaning, fix. */
  get entry(): ErrorEntry {
    return errorCatalogue[this.code];
  }

  /** Status of an HTTP answer with this error. A code without one was not meant for an answer. */
  get status(): number {
    return this.entry.status ?? 500;
  }
}

/** True when `error` is an AppError, of the given code if one is named. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** The text of any thrown value, for messages that name a cause. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
