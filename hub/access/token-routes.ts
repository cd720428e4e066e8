/** `/api/v1/tokens`, and `/api/v1/me`: who the caller is. */
import { Type } from 'typebox';
import {
  ApiToken,
  ApiTokenPage,
  ApiTokenRequest,
  Caller,
  CreatedApiToken,
  RoleName,
  TokenName,
} from '../../shared/api/access.ts';
import { created } from '../http/created.ts';
import { pageQuery } from '../http/page.ts';
import type { CurrentThing } from '../http/preconditions.ts';
import type { Routes } from '../http/routes.ts';
import { positionOf, type Sorts, sortedPage, sortQuery } from '../http/sorting.ts';
import type { TokenService } from './token-service.ts';

const tags = ['access'];

const sorts: Sorts<ApiToken> = {
  name: { columns: ['name'], valuesOf: ({ name }) => [name] },
  createdAt: { columns: ['created_at', 'name'], valuesOf: ({ createdAt, name }) => [createdAt, name] },
};

export function tokenRoutes(tokens: TokenService): Routes {
  const current: CurrentThing = { path: '/tokens/:name', read: ({ name }) => tokens.show(name!) };
  return (api) => {
    api.post(
      '/tokens',
      {
        config: { role: 'admin', secret: true, errors: ['conflict'] },
        schema: {
          tags,
          operationId: 'createToken',
          summary: 'Create an API token',
          description: 'The answer holds the secret; it cannot be seen again.',
          body: ApiTokenRequest,
          response: { 201: CreatedApiToken },
        },
      },
      async (request, reply) => {
        const made = await tokens.create(request.body, request.actor);
        created(reply, 'tokens', made.token.name);
        return made;
      },
    );
    api.get(
      '/tokens',
      {
        config: { role: 'admin' },
        schema: {
          tags,
          operationId: 'listTokens',
          summary: 'List API tokens',
          querystring: Type.Object({
            role: Type.Optional(RoleName),
            ...sortQuery(sorts, 'name'),
            ...pageQuery,
          }),
          response: { 200: ApiTokenPage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        const position = positionOf(sorts, request.query);
        const found = await tokens.list({ ...filter, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(sorts, { sort, limit }, found);
        return { tokens: rows, ...rest };
      },
    );
    api.get(
      '/tokens/:name',
      {
        config: { role: 'admin', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getToken',
          summary: 'Show an API token',
          description: 'Without its secret. A token that was revoked is shown until it leaves.',
          params: Type.Object({ name: TokenName }),
          response: { 200: ApiToken },
        },
      },
      (request) => tokens.show(request.params.name),
    );
    api.delete(
      '/tokens/:name',
      {
        config: { role: 'admin', current, errors: ['not_found', 'conflict'] },
        schema: {
          tags,
          operationId: 'revokeToken',
          summary: 'Revoke an API token',
          params: Type.Object({ name: TokenName }),
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await tokens.revoke(request.params.name, request.actor);
        return reply.code(204).send(null);
      },
    );
    api.get(
      '/me',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          operationId: 'getCaller',
          summary: 'Who the token belongs to',
          response: { 200: Caller },
        },
      },
      (request) => ({ name: request.actor.name, role: request.actor.role }),
    );
  };
}
