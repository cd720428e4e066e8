/** API tokens in the database. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';

type Connection = Database | Transaction<Tables>;
export type TokenRow = Selectable<Tables['api_token']>;

export interface TokenFilter {
  readonly role?: string;
  readonly position: Position;
  readonly limit: number;
}

export class TokenStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Runs `work` in a transaction. */
  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  async add(row: TokenRow, tx: Transaction<Tables>): Promise<void> {
    await tx.insertInto('api_token').values(row).execute();
  }

  find(name: string, connection: Connection = this.#database): Promise<TokenRow | undefined> {
    return connection.selectFrom('api_token').selectAll().where('name', '=', name).executeTakeFirst();
  }

  findByHash(secretSha256: string): Promise<TokenRow | undefined> {
    return this.#database
      .selectFrom('api_token')
      .selectAll()
      .where('secret_sha256', '=', secretSha256)
      .executeTakeFirst();
  }

  list({ role, position, limit }: TokenFilter): Promise<TokenRow[]> {
    let query = this.#database.selectFrom('api_token').selectAll().limit(limit);
    if (role !== undefined) query = query.where('role', '=', role);
    return inOrder(query, position).execute();
  }

  async count(tx: Transaction<Tables>): Promise<number> {
    const row = await tx
      .selectFrom('api_token')
      .select((select) => select.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return row.count;
  }

  /** Admin tokens that work at `now`. */
  async countUsableAdmins(now: number, tx: Transaction<Tables>): Promise<number> {
    const row = await tx
      .selectFrom('api_token')
      .select((select) => select.fn.countAll<number>().as('count'))
      .where('role', '=', 'admin')
      .where('revoked_at', 'is', null)
      .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now)]))
      .executeTakeFirstOrThrow();
    return row.count;
  }

  async revoke(name: string, at: number, tx: Transaction<Tables>): Promise<void> {
    await tx.updateTable('api_token').set({ revoked_at: at }).where('name', '=', name).execute();
  }

  async endedBefore(before: number): Promise<{ readonly count: number; readonly oldestAt?: number }> {
    const { rows } = await sql<{ count: number; oldest: number }>`
      select count(*) as count, min(created_at) as oldest from api_token where ${endedBefore(before)}`.execute(
      this.#database,
    );
    const { count, oldest } = rows[0]!;
    return { count, ...(count > 0 ? { oldestAt: oldest } : {}) };
  }

  /** Removes tokens that ended before that time; returns how many went. */
  async removeEndedBefore(before: number): Promise<number> {
    const { numAffectedRows } = await sql`delete from api_token where ${endedBefore(before)}`.execute(
      this.#database,
    );
    return Number(numAffectedRows ?? 0n);
  }

  /** A token made while the clock was ahead begins now, and lasts as long as it was to. Returns how many there were. */
  async clampFutureTimes(now: number): Promise<number> {
    const { numUpdatedRows } = await this.#database
      .updateTable('api_token')
      .set({ expires_at: sql`expires_at - created_at + ${now}`, created_at: now })
      .where('created_at', '>', now)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  async touch(name: string, at: number): Promise<void> {
    await this.#database
      .updateTable('api_token')
      .set({ last_used_at: at })
      .where('name', '=', name)
      .execute();
  }
}

/** The last one made stays: a hub without a token makes one that is admin. */
function endedBefore(before: number) {
  return sql<boolean>`(revoked_at < ${before} or expires_at < ${before})
    and name <> (select name from api_token order by created_at desc, name limit 1)`;
}
