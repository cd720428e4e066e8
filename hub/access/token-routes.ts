/** `/api/v1/tokens`, and `/api/v1/me`: who the caller is. */
import { Type } from 'typebox';
import { DeviceId } from '../../shared/base/names.ts';
import { afterName, next, pageOf, pageQuery } from '../http/page.ts';
import { roles } from '../http/request-actor.ts';
import type { Routes } from '../http/routes.ts';
import type { TokenService } from './token-service.ts';

const DAY_MS = 86_400_000;
const tags = ['access'];

const RoleName = Type.Enum([...roles]);
/** Token names have the same characters as device ids. */
const TokenName = Type.String({ ...DeviceId, description: 'Token name' });
const ApiTokenBody = Type.Object({
  name: TokenName,
  role: RoleName,
  createdAt: Type.Integer(),
  expiresAt: Type.Optional(Type.Integer()),
  revokedAt: Type.Optional(Type.Integer()),
  lastUsedAt: Type.Optional(Type.Integer()),
});

export function tokenRoutes(tokens: TokenService): Routes {
  return (api) => {
    api.post(
      '/tokens',
      {
        config: { role: 'admin' },
        schema: {
          tags,
          summary: 'Create an API token',
          description: 'The answer holds the secret; it cannot be seen again.',
          body: Type.Object({
            name: TokenName,
            role: RoleName,
            ttlMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 3_650 * DAY_MS })),
          }),
          response: { 200: Type.Object({ token: ApiTokenBody, secret: Type.String() }) },
        },
      },
      (request) => tokens.create(request.body, request.actor),
    );
    api.get(
      '/tokens',
      {
        config: { role: 'admin' },
        schema: {
          tags,
          summary: 'List API tokens, by name',
          querystring: Type.Object({
            role: Type.Optional(RoleName),
            after: afterName(TokenName),
            ...pageQuery,
          }),
          response: { 200: Type.Object({ tokens: Type.Array(ApiTokenBody), next }) },
        },
      },
      async (request) => {
        const { limit } = request.query;
        const found = await tokens.list({ ...request.query, limit: limit + 1 });
        const { rows, ...rest } = pageOf(found, limit, ({ name }) => name);
        return { tokens: rows, ...rest };
      },
    );
    api.delete(
      '/tokens/:name',
      {
        config: { role: 'admin' },
        schema: {
          tags,
          summary: 'Revoke an API token',
          params: Type.Object({ name: TokenName }),
          response: { 200: Type.Object({ revoked: TokenName }) },
        },
      },
      async (request) => {
        await tokens.revoke(request.params.name, request.actor);
        return { revoked: request.params.name };
      },
    );
    api.get(
      '/me',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'Who the token belongs to',
          response: { 200: Type.Object({ name: Type.String(), role: RoleName }) },
        },
      },
      (request) => ({ name: request.actor.name, role: request.actor.role }),
    );
  };
}
