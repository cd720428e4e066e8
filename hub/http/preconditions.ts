/**
 * `If-Match` on changes: a caller that has read a thing may ask for its change only if it is still as it was read. A route that
 * takes it says how the thing is read (`config.current`). Changes of one thing follow each other, with `If-Match` or without, so that
 * of two callers with the same tag the second one is refused. What devices report meanwhile does not wait.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { entityTag, namesTag } from './etag.ts';

export interface CurrentThing {
  /** Path of its GET below `/api/v1`: what the tag is of. */
  readonly path: string;
  /** What that GET answers with now. Throws `not_found`. */
  readonly read: (params: Readonly<Record<string, string>>) => Promise<unknown>;
}

/** Checks `If-Match` of the routes of `scope` that name what they change. */
export function addPreconditions(scope: FastifyInstance): void {
  /** The last change of each thing that is under way. */
  const underWay = new Map<string, Promise<void>>();
  const releases = new WeakMap<FastifyRequest, () => void>();

  scope.addHook('preHandler', async (request, reply) => {
    const { current } = request.routeOptions.config;
    if (!current) {
      if (request.headers['if-match'] !== undefined && !isSafe(request)) throw notVersioned(request);
      return;
    }
    const params = request.params as Record<string, string>;
    const thing = current.path.replaceAll(/:(\w+)/g, (_, name: string) => ownValue(params, name) ?? '');
    releases.set(request, await takeTurn(underWay, thing));
    const wanted = request.headers['if-match'];
    if (wanted === undefined) return;
    await checkTag(wanted, await current.read(params), { thing, reply });
  });
  scope.addHook('onSend', async (request) => {
    releases.get(request)?.();
    releases.delete(request);
  });
}

/** Resolves when those before have ended, with how to end. */
async function takeTurn(underWay: Map<string, Promise<void>>, thing: string): Promise<() => void> {
  const before = underWay.get(thing);
  const { promise, resolve } = Promise.withResolvers<void>();
  underWay.set(thing, promise);
  await before;
  return () => {
    if (underWay.get(thing) === promise) underWay.delete(thing);
    resolve();
  };
}

async function checkTag(
  wanted: string,
  now: unknown,
  { thing, reply }: { readonly thing: string; readonly reply: FastifyReply },
): Promise<void> {
  const tag = entityTag(JSON.stringify(now));
  if (namesTag(wanted, tag, { weak: false })) return;
  void reply.header('etag', tag);
  throw new AppError(
    'precondition_failed',
    `Refused the change of "${thing}": If-Match names ${excerpt(wanted)}, and the current entity tag is ${tag}. Nothing was changed.`,
    { details: { etag: tag } },
  );
}

/** Ignoring it would make the change that the caller wanted to be kept from. */
function notVersioned({ method, routeOptions }: FastifyRequest): AppError {
  return new AppError(
    'bad_input',
    `Cannot ${method} ${routeOptions.url ?? ''} with If-Match: this resource has no entity tag. Send the request without If-Match.`,
  );
}

function isSafe({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route changes; it takes `If-Match` then. */
    current?: CurrentThing;
  }
}
