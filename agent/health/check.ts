/** One thing `doctor` looked at. */
import { errorText, isAppError } from '../../shared/base/app-error.ts';

export interface Check {
  readonly name: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly wayOut?: string;
}

/** A check that ended in an error: what the error says, and how the catalogue of errors gets out of it. */
export function failed(name: string, error: unknown, wayOut?: string): Check {
  const way = wayOut ?? (isAppError(error) ? error.entry.fix : undefined);
  return { name, verdict: 'fail', found: errorText(error), ...(way !== undefined && { wayOut: way }) };
}
