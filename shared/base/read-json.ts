/**
 * Decodes JSON bytes of others, in hub, agent and CLI alike: length and depth are looked at before anything is decoded. The
 * value is not yet checked against any schema.
 */
import type { ErrorCode } from '../errors/catalogue.ts';
import { AppError } from './app-error.ts';
import { isJsonShallow } from './json-depth.ts';
import { faultOfNames } from './json-names.ts';
import { limits } from './limits.ts';

export interface JsonBounds {
  readonly bytesMax: number;
  /** Code of a refusal other than `too_large`; default `bad_input`. */
  readonly code?: ErrorCode;
  /** Refuse more fields than any request has, and a name that an object gives twice: one of the values would be lost. */
  readonly isRequest?: boolean;
}

/** `what` names the bytes in messages. Throws `too_large`, or `code` for deep nesting and for what is no JSON in UTF-8. */
export function readJson(
  bytes: Uint8Array,
  what: string,
  { bytesMax, code = 'bad_input', isRequest = false }: JsonBounds,
): unknown {
  if (bytes.byteLength > bytesMax) {
    throw new AppError(
      'too_large',
      `Cannot read ${what}: it has ${bytes.byteLength} bytes, but at most ${bytesMax} are allowed.`,
    );
  }
  const refuse = (why: string, cause?: unknown) =>
    new AppError(code, `Cannot read ${what}: ${why}.`, { cause });
  if (!isJsonShallow(bytes, limits.jsonDepthMax))
    throw refuse(`it is nested more than ${limits.jsonDepthMax} levels deep`);
  const fault = isRequest ? faultOfNames(bytes) : undefined;
  if (fault?.isTooMany) throw refuse(fault.text);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refuse('it is not JSON', cause);
  }
  // Only of what is JSON can one say that a name is given twice.
  if (fault) throw refuse(fault.text);
  return value;
}
