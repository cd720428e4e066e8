/** What the local API answers to a request that no route takes. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { allowedMethods } from '../../platform/allowed-methods.ts';
import { AppError } from '../../shared/base/app-error.ts';

/** `method_not_allowed`, naming what the path takes, or `not_found` where it takes nothing. */
export function unknownRoute(app: FastifyInstance, { method, url }: FastifyRequest): AppError {
  const allow = allowedMethods(app, url).join(', ');
  return allow === ''
    ? new AppError('not_found', `Cannot ${method} ${url.slice(0, 200)}: the local API has no such path.`)
    : new AppError('method_not_allowed', `Cannot ${method} this path: it supports ${allow}.`, {
        details: { allow },
      });
}
