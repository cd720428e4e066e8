/** `/api/v1/join-tokens`: operators make, list and revoke join tokens. */
import { Type } from 'typebox';
import {
  CreatedJoinToken,
  JoinTokenId,
  JoinTokenPage,
  JoinTokenRequest,
  JoinTokenSummary,
  joinTokenStatuses,
} from '../../shared/api/join-tokens.ts';
import { GroupName } from '../../shared/base/names.ts';
import { created } from '../http/created.ts';
import { pageQuery } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import { positionOf, type Sorts, sortedPage, sortQuery } from '../http/sorting.ts';
import type { JoinTokenService } from './join-token-service.ts';

const tags = ['devices'];

const sorts: Sorts<JoinTokenSummary> = {
  createdAt: { columns: ['created_at', 'id'], valuesOf: ({ createdAt, id }) => [createdAt, id] },
  expiresAt: { columns: ['expires_at', 'id'], valuesOf: ({ expiresAt, id }) => [expiresAt, id] },
};

export function joinTokenRoutes(joinTokens: JoinTokenService): Routes {
  return (api) => {
    api.post(
      '/join-tokens',
      {
        config: { role: 'operator', secret: true, errors: ['trust_not_initialised'] },
        schema: {
          tags,
          operationId: 'createJoinToken',
          summary: 'Make a join token',
          description: 'The answer holds the token; it cannot be seen again.',
          body: JoinTokenRequest,
          response: { 201: CreatedJoinToken },
        },
      },
      async (request, reply) => {
        const made = await joinTokens.create(request.body, request.actor);
        created(reply, 'join-tokens', made.id);
        return made;
      },
    );
    api.get(
      '/join-tokens',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          operationId: 'listJoinTokens',
          summary: 'List join tokens, newest first',
          querystring: Type.Object({
            group: Type.Optional(GroupName),
            status: Type.Optional(Type.Enum([...joinTokenStatuses])),
            ...sortQuery(sorts, '-createdAt'),
            ...pageQuery,
          }),
          response: { 200: JoinTokenPage },
        },
      },
      async (request) => {
        const { sort, after: _, limit, ...filter } = request.query;
        const position = positionOf(sorts, request.query);
        const found = await joinTokens.list({ ...filter, position, limit: limit + 1 });
        const { rows, ...rest } = sortedPage(sorts, { sort, limit }, found);
        return { joinTokens: rows, ...rest };
      },
    );
    api.get(
      '/join-tokens/:id',
      {
        config: { role: 'operator', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'getJoinToken',
          summary: 'Show a join token',
          description:
            'Without its secret. A token that was revoked, used up or has expired is shown until it leaves.',
          params: Type.Object({ id: JoinTokenId }),
          response: { 200: JoinTokenSummary },
        },
      },
      (request) => joinTokens.show(request.params.id),
    );
    api.delete(
      '/join-tokens/:id',
      {
        config: { role: 'operator', errors: ['not_found'] },
        schema: {
          tags,
          operationId: 'revokeJoinToken',
          summary: 'Revoke a join token',
          params: Type.Object({ id: JoinTokenId }),
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await joinTokens.revoke(request.params.id, request.actor);
        return reply.code(204).send(null);
      },
    );
  };
}
