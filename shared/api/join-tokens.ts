/** Join tokens as operators see them; the text of one is in shared/protocol/join-token.ts. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { GroupName } from '../base/names.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

export const joinTokenStatuses = ['usable', 'expired', 'used-up', 'revoked'] as const;
export type JoinTokenStatus = (typeof joinTokenStatuses)[number];

export const JoinTokenId = Type.String({ pattern: '^jt-[0-9a-f]{12}$', description: 'Join token id' });

/** What is shown of a join token: never its secret. */
export const JoinTokenSummary = Type.Object(
  {
    id: JoinTokenId,
    group: GroupName,
    usesLeft: Type.Integer(),
    usesTotal: Type.Integer(),
    createdAt: Milliseconds,
    createdBy: Type.String(),
    expiresAt: Milliseconds,
    status: Type.Enum([...joinTokenStatuses]),
  },
  { $id: 'JoinTokenSummary' },
);
export type JoinTokenSummary = Static<typeof JoinTokenSummary>;

/** Answer of `GET /join-tokens`. */
export const JoinTokenPage = Type.Object(
  { joinTokens: Type.Array(JoinTokenSummary), next },
  { $id: 'JoinTokenPage' },
);
export type JoinTokenPage = Static<typeof JoinTokenPage>;

/** Body and answer of `POST /join-tokens`. The token cannot be seen again. */
export const JoinTokenRequest = Type.Object(
  {
    group: Type.Unsafe<string>({ ...GroupName, default: 'default' }),
    uses: Type.Integer({ minimum: 1, maximum: limits.joinTokenUsesMax, default: 1 }),
    ttlMs: Type.Integer({ minimum: 1_000, maximum: limits.joinTokenTtlMsMax, default: 3_600_000 }),
  },
  { $id: 'JoinTokenRequest' },
);
export type JoinTokenRequest = Static<typeof JoinTokenRequest>;
export const CreatedJoinToken = Type.Object(
  { ...JoinTokenSummary.properties, token: Type.String() },
  { $id: 'CreatedJoinToken' },
);
export type CreatedJoinToken = Static<typeof CreatedJoinToken>;
