/** Registers paths of the local API: what a path does not offer is answered 405 with what it does. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { AppError } from '../../shared/base/app-error.ts';
import type { ModelParams } from './model-params.ts';

// biome-ignore lint/suspicious/noConfusingVoidType: a handler that has sent its answer returns nothing
type Handled = object | string | void;
export type Handler = (
  request: FastifyRequest<{ Params: ModelParams }>,
  reply: FastifyReply,
) => Promise<Handled> | Handled;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

export function addPath(
  app: FastifyInstance,
  url: string,
  handlers: Partial<Record<'GET' | 'POST', Handler>>,
  options: Omit<RouteOptions, 'url' | 'method' | 'handler'> = {},
): void {
  for (const [method, handler] of Object.entries(handlers)) {
    app.route<{ Params: ModelParams }>({ ...(options as object), url, method, handler });
  }
  const offered = [...Object.keys(handlers), ...(handlers.GET ? ['HEAD'] : [])];
  const allow = offered.join(', ');
  app.route({
    url,
    method: METHODS.filter((method) => !offered.includes(method)),
    // Before a body is read.
    onRequest: async ({ method }) => {
      throw new AppError('method_not_allowed', `Cannot ${method} this path: it takes ${allow}.`, {
        details: { allow },
      });
    },
    handler: () => undefined,
  });
}
