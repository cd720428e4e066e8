/**
 * Turns untrusted values into typed ones. Everything that comes from the network, a file or an operator goes
 * through `parser()` (already decoded values) or `jsonParser()` (bytes) before anything else looks at it.
 * Unknown fields are kept, so that an older program passes on what a newer one wrote.
 */
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ErrorCode } from '../errors/catalogue.ts';
import { AppError } from './app-error.ts';
import { excerpt } from './excerpt.ts';
import { isJsonShallow } from './json-depth.ts';
import { limits } from './limits.ts';
import { ownValue } from './own-value.ts';

const DETAILS_MAX = 5;

/**
 * Makes a parser for `schema`. It returns its argument typed, or throws `bad_input` (or `code`) with a message that
 * names `what`, where in it the fault lies, what was found and what is wanted. A value whose `v` is a number other than
 * the one the schema wants is `unsupported_version`, not `bad_input`: of another version, nothing else can be told.
 */
export function parser<T extends TSchema>(schema: T, what: string, code: ErrorCode = 'bad_input') {
  const validator = Compile(schema);
  const wantedVersion = (schema as { properties?: { v?: { const?: unknown } } }).properties?.v?.const;
  return (value: unknown): Static<T> => {
    if (validator.Check(value)) return value as Static<T>;
    const version = typeof value === 'object' && value !== null ? (value as { v?: unknown }).v : undefined;
    if (wantedVersion !== undefined && typeof version === 'number' && version !== wantedVersion) {
      throw new AppError(
        code === 'bad_input' ? 'unsupported_version' : code,
        `Cannot read ${what}: it has version ${version}, this program knows version ${wantedVersion}.`,
      );
    }
    const faults = validator
      .Errors(value)
      // A closed object reports each unknown field, then itself once more.
      .filter((f, _, all) => all.length === 1 || f.keyword !== 'additionalProperties')
      .slice(0, DETAILS_MAX);
    const text = faults
      .map((f) => `${f.instancePath || 'the whole'} ${faultText(f)} (found ${found(value, f.instancePath)})`)
      .join('; ');
    throw new AppError(code, `Cannot read ${what}: ${text || 'it does not fit the schema'}.`, {
      details: { faults: faults.map((f) => ({ path: f.instancePath, message: f.message })) },
    });
  };
}

/** TypeBox does not say which values an enumeration or a literal allows. */
function faultText({ message, params }: { readonly message: string; readonly params: object }): string {
  const { allowedValues, allowedValue } = params as {
    readonly allowedValues?: readonly unknown[];
    readonly allowedValue?: unknown;
  };
  if (message === 'schema is false') return 'is not a known field';
  if (allowedValues) return `must be one of ${allowedValues.join(', ')}`;
  return allowedValue === undefined ? message : `must be ${JSON.stringify(allowedValue)}`;
}

const secretName = /(secret|token|password|passphrase|key)$/i;

/** What is at `path`, for a message; a field that may hold a secret is never quoted, nor as a part of what is. */
function found(value: unknown, path: string): string {
  return secretName.test(path) ? 'a value not shown' : excerpt(valueAt(value, path), { hidden: secretName });
}

/**
 * Like `parser()`, for JSON bytes: refuses more than `bytesMax` bytes before decoding (`too_large`), then deep nesting,
 * then bytes that are not UTF-8 JSON, then values that do not fit.
 */
export function jsonParser<T extends TSchema>(
  schema: T,
  what: string,
  bytesMax: number,
  code: ErrorCode = 'bad_input',
) {
  const parse = parser(schema, what, code);
  return (bytes: Uint8Array): Static<T> => {
    if (bytes.byteLength > bytesMax) {
      throw new AppError(
        'too_large',
        `Cannot read ${what}: ${bytes.byteLength} bytes, at most ${bytesMax} are allowed.`,
      );
    }
    if (!isJsonShallow(bytes, limits.jsonDepthMax)) {
      throw new AppError(
        code,
        `Cannot read ${what}: it is nested more than ${limits.jsonDepthMax} levels deep.`,
      );
    }
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (cause) {
      throw new AppError(code, `Cannot read ${what}: it is not JSON.`, { cause });
    }
    return parse(value);
  };
}

function valueAt(value: unknown, pointer: string): unknown {
  let at: unknown = value;
  for (const part of pointer.split('/').slice(1)) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = ownValue(at as Record<string, unknown>, part.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return at;
}
