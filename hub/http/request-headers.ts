/** Request headers as `/openapi.json` describes them: which ones an operation reads follows from its route. */
import type { RouteOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';

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
} as const satisfies Readonly<Record<string, TSchema>>;

/** Of one route, all optional. */
export function requestHeadersOf({ method, config = {} }: Pick<RouteOptions, 'method' | 'config'>): TSchema {
  const isRead = [method].flat().some((one) => one === 'GET');
  const names: (keyof typeof requestHeaders)[] = ['X-Request-Id'];
  if (isRead && config.role !== undefined) names.push('If-None-Match');
  if (config.current) names.push('If-Match');
  return Type.Object(Object.fromEntries(names.map((name) => [name, Type.Optional(requestHeaders[name])])));
}
