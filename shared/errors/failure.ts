/** How a program tells a person why it failed, and with which exit code. */
import { errorText, isAppError } from '../base/app-error.ts';

/** 2: wrong usage, 69: the hub cannot be reached, 1: refused, 70: a defect (the numbers of sysexits.h where there is one). */
export const exitCodes = { ok: 0, refused: 1, usage: 2, unreachable: 69, defect: 70 } as const;

/** `modelfleet: message`, then code and fix. A defect shows its text, never its stack. */
export function failureText(program: string, error: unknown): string {
  if (!isAppError(error)) return `${program}: internal error: ${errorText(error)}\n`;
  return `${program}: ${error.message}\n  code: ${error.code}\n  fix:  ${error.entry.fix}\n`;
}

/** What the parser of a command line found wrong (`error: …`), in the form of every other failure. */
export function usageText(program: string, text: string): string {
  return `${text.replace(/^error:/, `${program}:`)}  fix:  Add --help to see what the command takes.\n`;
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
  return `${JSON.stringify({ error: failure })}\n`;
}

export function failureExitCode(error: unknown): number {
  if (!isAppError(error)) return exitCodes.defect;
  if (error.code === 'hub_unreachable') return exitCodes.unreachable;
  return error.code === 'internal' ? exitCodes.defect : exitCodes.refused;
}
