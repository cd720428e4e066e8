import { errorText, isAppError } from '../base/app-error.ts';
import { shorten } from '../base/safe-text.ts';
import type { UpdateFault } from './update-event.ts';

const MESSAGE_CHARS_MAX = 2_000;

/** An error as a message carries it; `more` follows its text. What has no code is `internal`, and worth another try. */
export function faultOf(error: unknown, more = ''): UpdateFault {
  const message = shorten(`${errorText(error)}${more}`, MESSAGE_CHARS_MAX);
  return isAppError(error)
    ? { code: error.code, message, retry: error.entry.retry }
    : { code: 'internal', message, retry: 'later' };
}
