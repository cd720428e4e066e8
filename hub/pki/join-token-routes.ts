/** `/api/v1/join-tokens`: operators make, list and revoke join tokens. */
import { Type } from 'typebox';
import { limits } from '../../shared/base/limits.ts';
import { GroupName } from '../../shared/base/names.ts';
import { afterTime, next, pageOf, pageQuery, timeCursor, timePlace } from '../http/page.ts';
import type { Routes } from '../http/routes.ts';
import type { JoinTokenService } from './join-token-service.ts';
import { joinTokenStatuses } from './join-token-store.ts';

const tags = ['devices'];
const JoinTokenId = Type.String({ pattern: '^jt-[0-9a-f]{12}$', description: 'Join token id' });

const fields = {
  id: JoinTokenId,
  group: GroupName,
  usesLeft: Type.Integer(),
  usesTotal: Type.Integer(),
  createdAt: Type.Integer(),
  createdBy: Type.String(),
  expiresAt: Type.Integer(),
  status: Type.Enum([...joinTokenStatuses]),
};

export function joinTokenRoutes(joinTokens: JoinTokenService): Routes {
  return (api) => {
    api.post(
      '/join-tokens',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          summary: 'Make a join token',
          description: 'The answer holds the token; it cannot be seen again.',
          body: Type.Object({
            group: Type.Unsafe<string>({ ...GroupName, default: 'default' }),
            uses: Type.Integer({ minimum: 1, maximum: limits.joinTokenUsesMax, default: 1 }),
            ttlMs: Type.Integer({ minimum: 1_000, maximum: limits.joinTokenTtlMsMax, default: 3_600_000 }),
          }),
          response: { 200: Type.Object({ ...fields, token: Type.String() }) },
        },
      },
      (request) => joinTokens.create(request.body, request.actor),
    );
    api.get(
      '/join-tokens',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          summary: 'List join tokens, newest first',
          querystring: Type.Object({
            group: Type.Optional(GroupName),
            status: Type.Optional(Type.Enum([...joinTokenStatuses])),
            after: afterTime,
            ...pageQuery,
          }),
          response: { 200: Type.Object({ joinTokens: Type.Array(Type.Object(fields)), next }) },
        },
      },
      async (request) => {
        const { after, limit, ...filter } = request.query;
        const found = await joinTokens.list({
          ...filter,
          ...(after === undefined ? {} : { after: timePlace(after) }),
          limit: limit + 1,
        });
        const { rows, ...rest } = pageOf(found, limit, timeCursor);
        return { joinTokens: rows, ...rest };
      },
    );
    api.delete(
      '/join-tokens/:id',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          summary: 'Revoke a join token',
          params: Type.Object({ id: JoinTokenId }),
          response: { 200: Type.Object({ revoked: JoinTokenId }) },
        },
      },
      async (request) => {
        await joinTokens.revoke(request.params.id, request.actor);
        return { revoked: request.params.id };
      },
    );
  };
}
