/** API tokens, and who the caller is. */
import { type Static, Type } from 'typebox';
import { DeviceId } from '../base/names.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

/** viewer reads; operator runs devices and rollouts; publisher adds and withdraws versions; admin may do all. */
export const roles = ['viewer', 'operator', 'publisher', 'admin'] as const;
export type Role = (typeof roles)[number];
export const RoleName = Type.Enum([...roles]);

/** Token names have the same characters as device ids. */
export const TokenName = Type.String({ ...DeviceId, description: 'Token name' });

const DAY_MS = 86_400_000;

export const ApiToken = Type.Object(
  {
    name: TokenName,
    role: RoleName,
    createdAt: Milliseconds,
    expiresAt: Type.Optional(Milliseconds),
    revokedAt: Type.Optional(Milliseconds),
    lastUsedAt: Type.Optional(Milliseconds),
  },
  { $id: 'ApiToken' },
);
export type ApiToken = Static<typeof ApiToken>;

/** Answer of `GET /tokens`. */
export const ApiTokenPage = Type.Object({ tokens: Type.Array(ApiToken), next }, { $id: 'ApiTokenPage' });
export type ApiTokenPage = Static<typeof ApiTokenPage>;

/** Body and answer of `POST /tokens`. The secret cannot be seen again. */
export const ApiTokenRequest = Type.Object(
  {
    name: TokenName,
    role: RoleName,
    ttlMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 3_650 * DAY_MS })),
  },
  { $id: 'ApiTokenRequest' },
);
export type ApiTokenRequest = Static<typeof ApiTokenRequest>;
export const CreatedApiToken = Type.Object(
  { token: ApiToken, secret: Type.String() },
  { $id: 'CreatedApiToken' },
);
export type CreatedApiToken = Static<typeof CreatedApiToken>;

/** Answer of `GET /me`. */
export const Caller = Type.Object({ name: Type.String(), role: RoleName }, { $id: 'Caller' });
export type Caller = Static<typeof Caller>;
