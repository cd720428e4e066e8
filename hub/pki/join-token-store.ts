/** Rows of `join_token`. Using a token up is one statement, so two devices can never share its last use. */
import { sql, type Transaction } from 'kysely';
import type { JoinTokenStatus } from '../../shared/api/join-tokens.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';

export type JoinTokenRow = Tables['join_token'];

export interface JoinTokenFilter {
  readonly group?: string;
  readonly status?: JoinTokenStatus;
  readonly position: Position;
  readonly limit: number;
}

export class JoinTokenStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async insert(row: JoinTokenRow, tx: Transaction<Tables>): Promise<void> {
    await tx.insertInto('join_token').values(row).execute();
  }

  list({ group, status, position, limit }: JoinTokenFilter, now: number): Promise<JoinTokenRow[]> {
    let query = this.#database.selectFrom('join_token').selectAll().limit(limit);
    if (group !== undefined) query = query.where('device_group', '=', group);
    if (status !== undefined) query = query.where(statusAt(now), '=', status);
    return inOrder(query, position).execute();
  }

  find(id: string): Promise<JoinTokenRow | undefined> {
    return this.#database.selectFrom('join_token').selectAll().where('id', '=', id).executeTakeFirst();
  }

  findBySecret(secretSha256: string): Promise<JoinTokenRow | undefined> {
    return this.#database
      .selectFrom('join_token')
      .selectAll()
      .where('secret_sha256', '=', secretSha256)
      .executeTakeFirst();
  }

  /** Takes one use; false when the token has none left, is past its time or revoked. */
  async use(id: string, now: number, tx: Transaction<Tables>): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('join_token')
      .set((eb) => ({ uses_left: eb('uses_left', '-', 1) }))
      .where('id', '=', id)
      .where('uses_left', '>', 0)
      .where('expires_at', '>', now)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** False when there is no such token, or it was revoked before. */
  async revoke(id: string, now: number, tx: Transaction<Tables>): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('join_token')
      .set({ revoked_at: now })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** Returns the ids of those that were usable. */
  async revokeUsable(now: number): Promise<string[]> {
    const rows = await this.#database
      .updateTable('join_token')
      .set({ revoked_at: now })
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
      .where('uses_left', '>', 0)
      .returning('id')
      .execute();
    return rows.map(({ id }) => id);
  }

  /** A token made while the clock was ahead begins now, and lasts as long as it was to. Returns how many there were. */
  async clampFutureTimes(now: number): Promise<number> {
    const { numUpdatedRows } = await this.#database
      .updateTable('join_token')
      .set({ expires_at: sql`expires_at - created_at + ${now}`, created_at: now })
      .where('created_at', '>', now)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  async endedBefore(before: number): Promise<{ readonly count: number; readonly oldestAt?: number }> {
    const row = await this.#database
      .selectFrom('join_token')
      .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min('created_at').as('oldest')])
      .where('expires_at', '<', before)
      .executeTakeFirstOrThrow();
    return { count: row.count, ...(row.count > 0 ? { oldestAt: Number(row.oldest) } : {}) };
  }

  /** Removes at most `rowsMax` tokens that ended before `before`; returns how many went. */
  async removeEndedBefore(before: number, rowsMax: number): Promise<number> {
    const { numDeletedRows } = await this.#database
      .deleteFrom('join_token')
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('join_token')
          .select('id')
          .where('expires_at', '<', before)
          .orderBy('expires_at')
          .limit(rowsMax),
      )
      .executeTakeFirst();
    return Number(numDeletedRows);
  }

  async count(tx: Transaction<Tables>): Promise<number> {
    const row = await tx
      .selectFrom('join_token')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    return Number(row.n);
  }
}

/** As `summaryOf` tells it of a row. */
function statusAt(now: number) {
  return sql<string>`case when revoked_at is not null then 'revoked' when uses_left = 0 then 'used-up'
    when expires_at <= ${now} then 'expired' else 'usable' end`;
}
