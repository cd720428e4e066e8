/** Rows of `idempotent_request`. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export type IdempotentRequestRow = Selectable<Tables['idempotent_request']>;
/** The token's name and the SHA-256 of the key. */
export type RequestKey = Pick<IdempotentRequestRow, 'token' | 'key_sha256'>;

export class IdempotentRequestStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  find({ token, key_sha256 }: RequestKey): Promise<IdempotentRequestRow | undefined> {
    return this.#database
      .selectFrom('idempotent_request')
      .selectAll()
      .where('token', '=', token)
      .where('key_sha256', '=', key_sha256)
      .executeTakeFirst();
  }

  /** How many requests of the token, and of all tokens, are stored; counts no further than `max` of each. */
  async count(token: string, max: { readonly ofToken: number; readonly inAll: number }) {
    const { rows } = await sql<{ ofToken: number; inAll: number }>`select
      (select count(*) from (select 1 from idempotent_request where token = ${token} limit ${max.ofToken})) as ofToken,
      (select count(*) from (select 1 from idempotent_request limit ${max.inAll})) as inAll`.execute(
      this.#database,
    );
    return rows[0]!;
  }

  /** Notes that the request has taken effect, in the transaction of its effect. */
  async noteEffect(row: Omit<IdempotentRequestRow, 'answer'>, tx: Transaction<Tables>): Promise<void> {
    await tx
      .insertInto('idempotent_request')
      .values({ ...row, answer: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  async storeAnswer(row: IdempotentRequestRow): Promise<void> {
    await this.#database
      .insertInto('idempotent_request')
      .values(row)
      .onConflict((conflict) => conflict.columns(['token', 'key_sha256']).doUpdateSet({ answer: row.answer }))
      .execute();
  }

  async remove({ token, key_sha256 }: RequestKey): Promise<void> {
    await this.#database
      .deleteFrom('idempotent_request')
      .where('token', '=', token)
      .where('key_sha256', '=', key_sha256)
      .execute();
  }

  /** About those made before `beforeMs`. */
  async madeBefore(beforeMs: number): Promise<{ count: number; bytes: number; oldestAt?: number }> {
    const { rows } = await sql<{ count: number; bytes: number | null; oldest: number | null }>`
      select count(*) as count, sum(length(answer)) as bytes, min(made_at) as oldest
        from idempotent_request where made_at < ${beforeMs}`.execute(this.#database);
    const { count, bytes, oldest } = rows[0]!;
    return { count, bytes: bytes ?? 0, ...(oldest === null ? {} : { oldestAt: oldest }) };
  }

  /** Removes at most `rowsMax` of them, oldest first. */
  async removeMadeBefore(beforeMs: number, rowsMax: number): Promise<{ count: number; bytes: number }> {
    const { rows } = await sql<{ bytes: number | null }>`
      delete from idempotent_request where (token, key_sha256) in (
        select token, key_sha256 from idempotent_request where made_at < ${beforeMs} order by made_at limit ${rowsMax})
      returning length(answer) as bytes`.execute(this.#database);
    return { count: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) };
  }

  /** A request made while the clock was ahead counts as made now. Returns how many there were. */
  async clampFutureTimes(now: number): Promise<number> {
    const { numUpdatedRows } = await this.#database
      .updateTable('idempotent_request')
      .set({ made_at: now })
      .where('made_at', '>', now)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }
}
