/** How a program tells a person why it failed, and with which exit code. */
import { AppError, errorText, isAppError } from '../base/app-error.ts';
import { safeJson, safeLines } from '../base/safe-text.ts';

/**
 * 2: wrong usage, 69: the hub cannot be reached, 1: refused, 70: a defect (the numbers of sysexits.h where there is one).
 * 3 to 5 say how a rollout that was watched ended, other than as planned.
 */
export const exitCodes = {
  ok: 0,
  refused: 1,
  usage: 2,
  aborted: 3,
  rolledBack: 4,
  paused: 5,
  unreachable: 69,
  defect: 70,
} as const;

/** `modelfleet: message`, then code and fix. A defect shows its text, never its stack. */
export function failureText(program: string, error: unknown): string {
  if (!isAppError(error)) return safeLines([`${program}: internal error: ${errorText(error)}`]);
  return safeLines([`${program}: ${error.message}`, `  code: ${error.code}`, `  fix:  ${error.entry.fix}`]);
}

/** What the parser of a command line found wrong (`error: …`) as an error like any other; its guess follows the sentence. */
export function usageError(text: string): AppError {
  const message = text
    .trim()
    .replace(/^error: /, '')
    .replace(/\n\((Did you mean .*)\)$/, '. $1');
  return new AppError(
    'bad_usage',
    `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.?]$/.test(message) ? '' : '.'}`,
  );
}

/** The same as one JSON line, for `--json`. */
export function failureJson(error: unknown): string {
  const failure = isAppError(error)
    ? {
        code: error.code,
        message: error.message,
        fix: error.entry.fix,
        retry: error.entry.retry,
        ...(error.details === undefined ? {} : { details: error.details }),
      }
    : { code: 'internal', message: errorText(error), retry: 'never' };
  return `${safeJson(JSON.stringify({ error: failure }))}\n`;
}

export function failureExitCode(error: unknown): number {
  if (!isAppError(error)) return exitCodes.defect;
  if (error.code === 'bad_usage' || error.code === 'confirmation_required') return exitCodes.usage;
  // A proxy answers in the place of a hub that is down.
  if (error.code === 'hub_unreachable' || error.code === 'hub_answer_unreadable')
    return exitCodes.unreachable;
  return error.code === 'internal' ? exitCodes.defect : exitCodes.refused;
}
