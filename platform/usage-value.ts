/** Values of flags and arguments that a parser refuses are wrong usage, with the exit code of it. */
import { AppError, isAppError } from '../shared/base/app-error.ts';

/** What `parse` returns. Throws `bad_usage` in the place of its `bad_input`. */
export function usageValue<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw asUsage(error);
  }
}

/** `bad_input` as `bad_usage` with the same text; everything else as it is. */
export function asUsage(error: unknown): unknown {
  if (!isAppError(error, 'bad_input')) return error;
  return new AppError('bad_usage', error.message, { cause: error });
}
