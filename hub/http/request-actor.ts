/** Who makes a request: set by authentication.ts, read by routes and the audit log. */
import type { Role } from '../../shared/api/access.ts';
import type { HttpErrorCode } from '../../shared/errors/catalogue.ts';

export interface Actor {
  readonly name: string;
  readonly role: Role;
  /** Address the request came from. */
  readonly address: string;
}

/** The caller as the audit log names it. Public routes have no caller: they name the actor of what they record themselves. */
export function auditActor(actor: Actor): { readonly actor: string; readonly address: string } {
  return { actor: `token:${actor.name}`, address: actor.address };
}

import type {} from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated caller; a route without `config.role` has `anonymous`. */
    actor: Actor;
    /** Name of the token that was shown when it has expired or was revoked. */
    endedToken?: string;
  }
  interface FastifyContextConfig {
    /** Lowest role that may call the route; `public` needs no token. Every route must say one. */
    role?: Role | 'public';
    /** Media type of the body; JSON where a route does not say. */
    accepts?: string;
    /** Codes that the route itself may answer with, beside those that every route of its kind has. */
    errors?: readonly HttpErrorCode[];
  }
}
