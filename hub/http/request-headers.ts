/** Request headers as `/openapi.json` describes them: which ones an operation reads follows from its route. */
import type { RouteOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { isTagged } from './etag.ts';

const requestHeaders = {
  'X-Request-Id': Type.String({
    maxLength: 64,
    description: 'Id for this request, to find it in the log; one of another form is replaced',
  }),
  'If-None-Match': Type.String({
    description: '`ETag` of an answer that the caller has: 304 when it would be the same',
  }),
  'If-Match': Type.String({
    description: '`ETag` of what is to be changed: 412 when it has changed since',
  }),
  'Idempotency-Key': Type.String({
    minLength: 1,
    maxLength: 255,
    pattern: '^[!-~]+$',
    description:
      'Makes the request safe to repeat for a day: one with the key of an earlier one gets its answer, with `Idempotent-Replayed: true`',
  }),
} as const satisfies Readonly<Record<string, TSchema>>;

/** A public route has no token to know the caller by. */
export function takesIdempotencyKey({
  method,
  config = {},
}: Pick<RouteOptions, 'method' | 'config'>): boolean {
  return config.role !== undefined && config.role !== 'public' && [method].flat().includes('POST');
}

/** Of one route, all optional. */
export function requestHeadersOf({
  method,
  url,
  config = {},
}: Pick<RouteOptions, 'method' | 'url' | 'config'>): TSchema {
  const isRead = [method].flat().some((one) => one === 'GET');
  const names: (keyof typeof requestHeaders)[] = ['X-Request-Id'];
  if (isRead && isTagged({ url, config })) names.push('If-None-Match');
  if (takesIdempotencyKey({ method, config })) names.push('Idempotency-Key');
  if (config.current) names.push('If-Match');
  return Type.Object(Object.fromEntries(names.map((name) => [name, Type.Optional(requestHeaders[name])])));
}
