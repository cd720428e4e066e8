/**
 * Who calls, and may they: every route names the lowest role that may call it (a route that does not cannot be
 * registered), the bearer token says who it is. Wrong tokens and public routes are counted per address and refused past a rate.
 */
import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Role, roles } from '../../shared/api/access.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { sourceOf } from '../../shared/base/remote-source.ts';
import type { Actor } from './request-actor.ts';
import { checkRequestRate, type RequestRate } from './request-rate.ts';

/** What a bearer token turned out to be: one that works, or one that does no more. */
export type PresentedToken =
  | { readonly name: string; readonly role: Role; readonly ended?: never }
  | { readonly name: string; readonly ended: true };

/** Finds whose secret a bearer token is. */
export interface Authenticator {
  authenticate(secret: string): Promise<PresentedToken | undefined>;
}

const WINDOW_MS = 60_000;

/** The roles that may do what `role` is the lowest for. */
const allowed: Readonly<Record<Role, readonly Role[]>> = {
  viewer: roles,
  operator: ['operator', 'admin'],
  publisher: ['publisher', 'admin'],
  admin: ['admin'],
};

/** True when a caller of `role` may call a route that wants at least `wanted`. */
export function mayCall(role: Role, wanted: Role): boolean {
  return allowed[wanted].includes(role);
}

/** Guards every route registered on `scope` after this. */
export async function addAuthentication(
  scope: FastifyInstance,
  { tokens, requestRate }: { readonly tokens: Authenticator; readonly requestRate: RequestRate },
): Promise<void> {
  await scope.register(fastifyRateLimit, {
    global: false,
    // A host of IPv6 has as many addresses as it likes.
    keyGenerator: ({ ip }) => sourceOf(ip),
  });
  const limitFailures = scope.createRateLimit({
    max: limits.failedLoginsPerMinuteMax,
    timeWindow: WINDOW_MS,
  });
  const limitPublic = scope.createRateLimit({
    max: limits.publicRequestsPerMinuteMax,
    timeWindow: WINDOW_MS,
  });

  scope.addHook('onRoute', (route) => {
    if (route.config?.role === undefined) {
      throw new Error(`Route ${String(route.method)} ${route.url} names no role: set config.role.`);
    }
  });
  scope.addHook('onRequest', async (request, reply) => {
    const wanted = request.routeOptions.config.role;
    if (wanted === 'public') {
      await refuseBeyond(limitPublic, request);
      request.actor = { ...anonymous, address: request.ip };
      return;
    }
    // Undefined only for paths without a route, which have nothing to guard but should not answer strangers either.
    const actor = await authenticate(request, tokens);
    if (!actor) {
      await refuseBeyond(limitFailures, request);
      throw new AppError(
        'unauthorized',
        `Refused ${request.method} ${request.routeOptions.url ?? 'request'}: expected "Authorization: Bearer <token>" with a valid token, found ${request.headers.authorization ? 'a token that is unknown, expired or revoked' : 'no token'}.`,
      );
    }
    request.actor = actor;
    checkRequestRate(requestRate, request, reply);
    if (wanted !== undefined && !mayCall(actor.role, wanted)) {
      throw new AppError(
        'forbidden',
        `Refused ${request.method} ${request.routeOptions.url}: token "${actor.name}" has role ${actor.role}, expected ${allowed[wanted].join(' or ')}.`,
      );
    }
  });
}

const anonymous: Actor = { name: 'anonymous', role: 'viewer', address: '' };

async function authenticate(request: FastifyRequest, tokens: Authenticator): Promise<Actor | undefined> {
  const header = request.headers.authorization;
  const secret = header && /^bearer ([A-Za-z0-9_.~+/=-]{1,512})$/i.exec(header)?.[1];
  if (!secret) return undefined;
  const found = await tokens.authenticate(secret);
  if (!found?.ended) return found && { name: found.name, role: found.role, address: request.ip };
  request.endedToken = found.name;
  return undefined;
}

async function refuseBeyond(
  limit: ReturnType<FastifyInstance['createRateLimit']>,
  request: FastifyRequest,
): Promise<void> {
  const verdict = await limit(request);
  if (verdict.isAllowed || !verdict.isExceeded) return;
  throw new AppError(
    'rate_limited',
    `Refused the request: more than ${verdict.max} of this kind came from ${request.ip} within a minute.`,
    { retryAfterMs: verdict.ttl },
  );
}
