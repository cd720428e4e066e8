/**
 * API tokens: who may use the hub and as what. The secret is returned once, when the token is made; the hub keeps its SHA-256.
 * Names are never given twice, so that a name in the audit log stays one holder.
 */

import type { Role } from '../../shared/api/access.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { PresentedToken } from '../http/authentication.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import { makeTokenSecret, tokenSecretHash } from './token-secret.ts';
import type { TokenFilter, TokenRow, TokenStore } from './token-store.ts';

export interface ApiToken {
  readonly name: string;
  readonly role: Role;
  /** Milliseconds since the epoch, like all times here. */
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  /** Written at most once a minute. */
  readonly lastUsedAt?: number;
}

export interface NewToken {
  readonly token: ApiToken;
  /** Shown once, never stored. */
  readonly secret: string;
}

export interface TokenServiceProps {
  readonly store: TokenStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Told of each use of a token, by its name. */
  readonly onUsed?: (name: string) => void;
}

const TOUCH_MS = 60_000;
const FIRST_NAME = 'admin';

export interface MakeAdmin {
  readonly always: boolean;
  /** Puts the secret where the operator finds it; when that fails, there is no token. */
  readonly keep?: (name: string, secret: string) => Promise<void>;
}

export class TokenService {
  readonly #store: TokenStore;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #onUsed: ((name: string) => void) | undefined;
  /** When each token was last used, by name, as far as it was seen since the start. */
  readonly #usedAt = new Map<string, number>();

  constructor({ store, audit, clock, onUsed }: TokenServiceProps) {
    this.#onUsed = onUsed;
    this.#store = store;
    this.#audit = audit;
    this.#clock = clock;
  }

  /**
   * Makes an admin token when there is no token at all, or `always`; undefined otherwise. The only chance to see its
   * secret. Whoever can start the hub on its data folder may have one: that restores access when all are lost.
   */
  async makeAdmin({ always, keep }: MakeAdmin): Promise<NewToken | undefined> {
    return this.#store.transaction(async (tx) => {
      const count = await this.#store.count(tx);
      if (count > 0 && !always) return undefined;
      // A name with their count is free unless somebody chose it, or tokens have left.
      let name = count === 0 ? FIRST_NAME : `${FIRST_NAME}-${count + 1}`;
      while (await this.#store.find(name, tx)) name = `${name}-new`;
      const { row, secret } = this.#newToken(name, 'admin', undefined);
      await this.#store.add(row, tx);
      await keep?.(name, secret);
      await this.#audit.append(
        { actor: 'hub', action: 'token.created', target: `token/${name}`, details: { role: 'admin' } },
        tx,
      );
      return { token: toToken(row), secret };
    });
  }

  /** `ttlMs` absent: the token works until it is revoked. Throws `conflict` when the name was given before. */
  async create(
    { name, role, ttlMs }: { readonly name: string; readonly role: Role; readonly ttlMs?: number },
    actor: Actor,
  ): Promise<NewToken> {
    return this.#store.transaction(async (tx) => {
      const existing = await this.#store.find(name, tx);
      if (existing) {
        throw new AppError(
          'conflict',
          `Cannot create token "${name}": a token with this name ${existing.revoked_at === null ? 'exists' : 'existed and was revoked'}. Use a new name.`,
        );
      }
      if ((await this.#store.count(tx)) >= limits.apiTokensMax) {
        throw new AppError(
          'too_large',
          `Cannot create token "${name}": the hub already has ${limits.apiTokensMax} tokens, the maximum.`,
        );
      }
      const { row, secret } = this.#newToken(name, role, ttlMs);
      await this.#store.add(row, tx);
      const details = { role, ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }) };
      await this.#audit.append(
        { ...auditActor(actor), action: 'token.created', target: `token/${name}`, details },
        tx,
      );
      return { token: toToken(row), secret };
    });
  }

  /** The token stops working with the next request. Refuses to revoke the last usable admin token (`conflict`). */
  async revoke(name: string, actor: Actor): Promise<void> {
    await this.#store.transaction(async (tx) => {
      const row = await this.#store.find(name, tx);
      if (!row) throw new AppError('not_found', `Cannot revoke token "${name}": no token has this name.`);
      if (row.revoked_at !== null) return;
      const now = this.#clock.now();
      await this.#store.revoke(name, now, tx);
      if (
        row.role === 'admin' &&
        isUsable(row, now) &&
        (await this.#store.countUsableAdmins(now, tx)) === 0
      ) {
        throw new AppError(
          'conflict',
          `Cannot revoke token "${name}": it is the last valid admin token. Create another admin token first.`,
        );
      }
      await this.#audit.append(
        { ...auditActor(actor), action: 'token.revoked', target: `token/${name}` },
        tx,
      );
    });
  }

  /** Throws `not_found`. */
  async show(name: string): Promise<ApiToken> {
    const row = await this.#store.find(name);
    if (!row) throw new AppError('not_found', `Cannot show token "${name}": no token has this name.`);
    return toToken(this.#withUse(row));
  }

  async list(filter: TokenFilter): Promise<ApiToken[]> {
    return (await this.#store.list(filter)).map((row) => toToken(this.#withUse(row)));
  }

  #withUse(row: TokenRow): TokenRow {
    const usedAt = this.#usedAt.get(row.name);
    return usedAt === undefined ? row : { ...row, last_used_at: usedAt };
  }

  /** Whose secret this is; undefined when it is unknown. A token that has expired or was revoked is `ended`, and lets nobody in. */
  async authenticate(secret: string): Promise<PresentedToken | undefined> {
    const row = await this.#store.findByHash(tokenSecretHash(secret));
    const now = this.#clock.now();
    if (!row) return undefined;
    if (!isUsable(row, now)) return { name: row.name, ended: true };
    this.#touch(row, now);
    this.#onUsed?.(row.name);
    return { name: row.name, role: row.role as Role };
  }

  /** Whose secret this is, and whether it was used, without counting as a use. */
  async holderOf(secret: string): Promise<{ readonly name: string; readonly isUsed: boolean } | undefined> {
    const row = await this.#store.findByHash(tokenSecretHash(secret));
    return row && { name: row.name, isUsed: row.last_used_at !== null || !isUsable(row, this.#clock.now()) };
  }

  /** Beside the request: one that only reads must not wait for a write, nor fail with it. */
  #touch({ name, last_used_at: lastUsedAt }: TokenRow, now: number): void {
    const written = Math.max(lastUsedAt ?? 0, this.#usedAt.get(name) ?? 0);
    if (now - written < TOUCH_MS) return;
    this.#usedAt.set(name, now);
    // What cannot be written is tried again after the same time; the database itself tells why it could not.
    this.#store.touch(name, now).catch(() => undefined);
  }

  #newToken(name: string, role: Role, ttlMs: number | undefined): { row: TokenRow; secret: string } {
    const secret = makeTokenSecret();
    const now = this.#clock.now();
    const row: TokenRow = {
      name,
      role,
      secret_sha256: tokenSecretHash(secret),
      created_at: now,
      expires_at: ttlMs === undefined ? null : now + ttlMs,
      revoked_at: null,
      last_used_at: null,
    };
    return { row, secret };
  }
}

function isUsable(row: TokenRow, now: number): boolean {
  return row.revoked_at === null && (row.expires_at === null || row.expires_at > now);
}

function toToken(row: TokenRow): ApiToken {
  return {
    name: row.name,
    role: row.role as Role,
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
  };
}
