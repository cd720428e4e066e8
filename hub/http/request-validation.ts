/** How a part of a request becomes what its route's schema wants, and what is refused on the way. */
import type { FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { parser } from '../../shared/base/parse.ts';
import { readJson } from '../../shared/base/read-json.ts';

const names = new Map([
  ['querystring', 'query'],
  ['params', 'path'],
]);

/**
 * Query and path arrive as text; numbers and booleans of the schema are read from it. A body must already be right. Defaults
 * of the schema are filled in.
 */
export function compileValidator(schema: TSchema, part: string) {
  const parse = parser(schema, names.get(part) ?? `request ${part}`);
  return (value: unknown) => {
    try {
      const typed =
        part === 'body' ? bodyOf(schema, value) : readTexts(schema, value as Record<string, unknown>);
      return { value: parse(Value.Default(schema, typed)) };
    } catch (error) {
      if (isAppError(error)) return { error };
      throw error;
    }
  };
}

/** No body is as good as one without fields: what it lacks is then named. */
function bodyOf(schema: TSchema, value: unknown): unknown {
  return value ?? ((schema as { type?: unknown }).type === 'object' ? {} : null);
}

/** The JSON of a request's body; null for none, which clients send that name a type before they know whether they have a body. */
export function readJsonBody(request: FastifyRequest, body: Buffer): unknown {
  if (body.byteLength === 0) return null;
  return readJson(body, 'the request', { bytesMax: bodyBytesMax(request), isRequest: true });
}

/** Refuses what a route will not read, before any of it is. Throws `encoding_unsupported` and `media_type_unsupported`. */
export function checkBodyHead(request: FastifyRequest): void {
  const { method, headers, routeOptions } = request;
  if (method === 'GET' || method === 'HEAD') return;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new AppError(
      'encoding_unsupported',
      `Cannot read the request: its Content-Encoding is ${excerpt(encoding)}. The hub reads bodies that are not compressed.`,
    );
  }
  const type = headers['content-type'];
  if (type === undefined) return;
  const wanted = routeOptions.config.accepts ?? 'application/json';
  if (type.split(';')[0]!.trim().toLowerCase() === wanted) return;
  throw new AppError(
    'media_type_unsupported',
    `Cannot read the request: its Content-Type is ${excerpt(type)}, expected "${wanted}".`,
  );
}

export function bodyBytesMax(request: FastifyRequest): number {
  return request.routeOptions.bodyLimit ?? limits.httpBodyBytesMax;
}

/** Only texts that say a value in one way are read: `1e2`, ` 5` or `true` are no whole numbers. */
function readTexts({ properties = {} }: TSchema & { properties?: Record<string, TSchema> }, texts: object) {
  const entries = Object.entries(texts).map(([name, text]) => {
    const schema = ownValue(properties, name) as { type?: string } | undefined;
    return [name, readText(schema?.type, text)];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function readText(type: string | undefined, text: unknown): unknown {
  if (typeof text !== 'string') return text;
  if (type === 'integer') return /^-?(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}
