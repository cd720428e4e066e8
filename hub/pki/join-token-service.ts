/**
 * Join tokens: made by operators, used up by devices. The hub keeps the SHA-256 of the secret alone; the token itself is
 * shown once, in the answer to its making.
 */

import { randomBytes } from 'node:crypto';
import type { JoinTokenStatus } from '../../shared/api/join-tokens.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { encodeJoinToken } from '../../shared/protocol/join-token.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Database } from '../db/database.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { JoinTokenFilter, JoinTokenRow, JoinTokenStore } from './join-token-store.ts';

export interface JoinTokenServiceProps {
  readonly database: Database;
  readonly store: JoinTokenStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly caSha256: string;
  /** Base URL of the REST API as devices reach it; known once the hub listens. */
  readonly hubUrl: () => string;
  /** What devices verify the REST API with, where it is not the hub's CA. */
  readonly restTrust?: () => string | undefined;
  /** The TUF root file new devices pin; undefined before trust is set up. */
  readonly rootFile: () => Promise<Uint8Array | undefined>;
}

export interface JoinTokenRequest {
  readonly group: string;
  readonly uses: number;
  readonly ttlMs: number;
}

export interface JoinTokenSummary {
  readonly id: string;
  readonly group: string;
  readonly usesLeft: number;
  readonly usesTotal: number;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number;
  readonly status: JoinTokenStatus;
}

export class JoinTokenService {
  readonly #props: JoinTokenServiceProps;

  constructor(props: JoinTokenServiceProps) {
    this.#props = props;
  }

  /** Throws `trust_not_initialised` before there is a root to pin, `too_large` when there are too many tokens. */
  async create(
    { group, uses, ttlMs }: JoinTokenRequest,
    actor: Actor,
  ): Promise<JoinTokenSummary & { readonly token: string }> {
    const { database, store, audit, clock, caSha256, hubUrl, rootFile } = this.#props;
    const root = await rootFile();
    if (!root) {
      throw new AppError(
        'trust_not_initialised',
        'Cannot make a join token: this hub has no trust root yet. Run "modelfleet trust init" first.',
      );
    }
    const secret = randomBytes(32).toString('base64url');
    const now = clock.now();
    const row: JoinTokenRow = {
      id: `jt-${randomBytes(6).toString('hex')}`,
      secret_sha256: secretSha256(secret),
      device_group: group,
      uses_left: uses,
      uses_total: uses,
      created_at: now,
      expires_at: now + ttlMs,
      revoked_at: null,
      created_by: actor.name,
    };
    await database.transaction().execute(async (tx) => {
      if ((await store.count(tx)) >= limits.joinTokensMax) {
        throw new AppError(
          'too_large',
          `Cannot make a join token: the hub already has ${limits.joinTokensMax} of them, the maximum. Use --uses to enrol many devices with one token.`,
        );
      }
      await store.insert(row, tx);
      await audit.append(
        {
          ...auditActor(actor),
          action: 'join_token.created',
          target: `join-token/${row.id}`,
          details: { group, uses, expiresAt: new Date(row.expires_at).toISOString() },
        },
        tx,
      );
    });
    const rootSha256 = sha256(root);
    const tls = this.#props.restTrust?.();
    const token = encodeJoinToken({
      hub: hubUrl(),
      ca: caSha256,
      root: rootSha256,
      secret,
      ...(tls !== undefined && { tls }),
    });
    return { ...summaryOf(row, now), token };
  }

  /** Newest first. */
  async list(filter: JoinTokenFilter): Promise<JoinTokenSummary[]> {
    const now = this.#props.clock.now();
    return (await this.#props.store.list(filter, now)).map((row) => summaryOf(row, now));
  }

  /** Throws `not_found`. */
  async show(id: string): Promise<JoinTokenSummary> {
    const row = await this.#props.store.find(id);
    if (!row) throw new AppError('not_found', `Cannot show join token "${id}": no join token has this id.`);
    return summaryOf(row, this.#props.clock.now());
  }

  /** After a restore: how often each was used since the backup is not known. Returns the ids. */
  revokeAll(): Promise<string[]> {
    return this.#props.store.revokeUsable(this.#props.clock.now());
  }

  /** The token stops to work at once; devices it enrolled stay. Throws `not_found`. */
  async revoke(id: string, actor: Actor): Promise<void> {
    const { database, store, audit, clock } = this.#props;
    await database.transaction().execute(async (tx) => {
      if (!(await store.revoke(id, clock.now(), tx))) {
        throw new AppError(
          'not_found',
          `Cannot revoke join token "${id}": no usable join token has this id.`,
        );
      }
      await audit.append(
        {
          ...auditActor(actor),
          action: 'join_token.revoked',
          target: `join-token/${id}`,
        },
        tx,
      );
    });
  }
}

export function secretSha256(secret: string): string {
  return sha256(secret);
}

export function summaryOf(row: JoinTokenRow, now: number): JoinTokenSummary {
  return {
    id: row.id,
    group: row.device_group,
    usesLeft: row.uses_left,
    usesTotal: row.uses_total,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    status:
      row.revoked_at !== null
        ? 'revoked'
        : row.uses_left === 0
          ? 'used-up'
          : row.expires_at <= now
            ? 'expired'
            : 'usable',
  };
}
