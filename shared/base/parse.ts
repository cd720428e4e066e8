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
import { readJson } from './read-json.ts';
import { type SchemaFault, schemaFaults } from './schema-faults.ts';

const FAULTS_MAX = 5;

/**
 * Makes a parser for `schema`. It returns its argument typed, or throws `bad_input` (or `code`) with a message that
 * names `what`, where in it the fault lies, what was found and what is wanted. A value whose `v` is a number other than
 * the one the schema wants is `unsupported_version`, not `bad_input`: of another version, nothing else can be told.
 */
export function parser<T extends TSchema>(schema: T, what: string, code: ErrorCode = 'bad_input') {
  // Compiled for the first value: a command that ends soon uses few of the schemas that it loads.
  let validator: ReturnType<typeof Compile<T>> | undefined;
  const wantedVersion = (schema as { properties?: { v?: { const?: unknown } } }).properties?.v?.const;
  return (value: unknown): Static<T> => {
    validator ??= Compile(schema);
    if (validator.Check(value)) return value as Static<T>;
    const version = typeof value === 'object' && value !== null ? (value as { v?: unknown }).v : undefined;
    if (wantedVersion !== undefined && typeof version === 'number' && version !== wantedVersion) {
      throw new AppError(
        code === 'bad_input' ? 'unsupported_version' : code,
        `Cannot read ${what}: it has version ${version}, and this program supports version ${wantedVersion}.`,
      );
    }
    const faults = schemaFaults(schema, value, FAULTS_MAX);
    const text = faults.map((f) => `${f.path || 'it'} ${f.message} (found ${found(f)})`).join('; ');
    throw new AppError(code, `Cannot read ${what}: ${text || 'it does not fit the schema'}.`, {
      details: { faults: faults.map(({ path, message }) => ({ path, message })) },
    });
  };
}

const secretName = /(secret|token|password|passphrase|key)$/i;

/** What was found, for a message; a field that may hold a secret is never quoted, nor as a part of what is. */
function found({ path, value }: SchemaFault): string {
  return secretName.test(path) ? 'a value not shown' : excerpt(value, { hidden: secretName });
}

/**
 * Like `parser()`, for JSON bytes: refuses more than `bytesMax` bytes before decoding (`too_large`), then what `readJson`
 * refuses, then values that do not fit.
 */
export function jsonParser<T extends TSchema>(
  schema: T,
  what: string,
  bytesMax: number,
  code: ErrorCode = 'bad_input',
) {
  const parse = parser(schema, what, code);
  return (bytes: Uint8Array): Static<T> => parse(readJson(bytes, what, { bytesMax, code }));
}
