/**
 * Requests that no route takes: OPTIONS is answered for every path that has routes, another method of such a path with 405, and
 * everything else with 404. Nobody has to show a token for that: `/openapi.json` tells the same to everybody.
 */
import type { FastifyInstance } from 'fastify';
import { allowedMethods } from '../../platform/allowed-methods.ts';
import { AppError } from '../../shared/base/app-error.ts';

const PATH_CHARS_MAX = 200;

/** Answers before a body is read, whose type and size then do not matter. */
export function addUnroutedAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const path = request.url.split('?')[0]!.slice(0, PATH_CHARS_MAX);
    const methods = allowedMethods(app, request.url);
    if (methods.length === 0) {
      throw new AppError(
        'not_found',
        `Cannot ${request.method} "${path}": no such path exists. /openapi.json lists all paths.`,
      );
    }
    const allow = [...methods, 'OPTIONS'].sort().join(', ');
    void reply.header('allow', allow);
    if (request.method === 'OPTIONS') return reply.code(204).send();
    throw new AppError('method_not_allowed', `Cannot ${request.method} "${path}": it supports ${allow}.`, {
      details: { allow },
    });
  });
}
