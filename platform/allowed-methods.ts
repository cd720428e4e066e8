/** Which methods a path takes, asked of the router itself: what `Allow` says. */
import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Empty for a path that no route has. */
export function allowedMethods(app: Pick<FastifyInstance, 'findRoute'>, url: string): readonly string[] {
  return METHODS.filter((method) => app.findRoute({ method: method as 'GET', url }) !== null);
}
