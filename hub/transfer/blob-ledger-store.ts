/** The tables of stored blobs: what each takes up, since when no version names it, and their sums. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export type BlobRow = Selectable<Tables['blob']>;
export interface BlobTotal {
  readonly isReferenced: boolean;
  /** Name of a token; empty when it is not known, and of named ones. */
  readonly uploadedBy: string;
  readonly blobs: number;
  readonly bytes: number;
}
type Tx = Transaction<Tables>;

export class BlobLedgerStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  /** Those of the digests that have a row. */
  async known(digests: readonly string[], tx: Tx): Promise<ReadonlySet<string>> {
    const rows = await tx.selectFrom('blob').select('sha256').where('sha256', 'in', digests).execute();
    return new Set(rows.map(({ sha256 }) => sha256));
  }

  /** Digests of rows that begin so. */
  async withPrefix(prefix: string): Promise<ReadonlySet<string>> {
    // `g` follows the last hex digit.
    const rows = await this.#database
      .selectFrom('blob')
      .select('sha256')
      .where('sha256', '>=', prefix)
      .where('sha256', '<', `${prefix}g`)
      .execute();
    return new Set(rows.map(({ sha256 }) => sha256));
  }

  /** From now on those that no version names are kept as long as one uploaded now. */
  async renew(digests: readonly string[], now: number, tx: Tx): Promise<void> {
    await tx
      .updateTable('blob')
      .set({ unreferenced_since: now })
      .where('sha256', 'in', digests)
      .where('unreferenced_since', 'is not', null)
      .execute();
  }

  /** Leaves rows that are there as they are. */
  async add(rows: readonly BlobRow[], tx: Tx): Promise<void> {
    await tx
      .insertInto('blob')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /**
   * From now on they count for no uploader: when they leave with the version, they do not count against a quota.
   * Returns how many of the digests have a row.
   */
  async name(digests: readonly string[], tx: Tx): Promise<number> {
    const { numUpdatedRows } = await tx
      .updateTable('blob')
      .set({ unreferenced_since: null, uploaded_by: '' })
      .where('sha256', 'in', digests)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  async markUnreferenced(digests: readonly string[], now: number, tx: Tx): Promise<void> {
    await tx
      .updateTable('blob')
      .set({ unreferenced_since: now })
      .where('sha256', 'in', digests)
      .where('unreferenced_since', 'is', null)
      .execute();
  }

  /** Unnamed since `before` or longer, the longest first. */
  async due(
    before: number,
    limit: number,
  ): Promise<{ readonly sha256: string; readonly bytes: number; readonly unreferencedSince: number }[]> {
    const rows = await this.#database
      .selectFrom('blob')
      .select(['sha256', 'bytes', 'unreferenced_since'])
      .where('unreferenced_since', '<=', before)
      .orderBy('unreferenced_since')
      .limit(limit)
      .execute();
    return rows.map(({ sha256, bytes, unreferenced_since: since }) => ({
      sha256,
      bytes,
      unreferencedSince: since!,
    }));
  }

  /** The same in sums, of at most `limit`. */
  async dueFigures(
    before: number,
    limit: number,
  ): Promise<{ readonly count: number; readonly bytes: number; readonly oldestAt: number | undefined }> {
    const { rows } = await sql<{ count: number; bytes: number; oldest: number | null }>`
      select count(*) as count, coalesce(sum(bytes), 0) as bytes, min(unreferenced_since) as oldest from (
        select bytes, unreferenced_since from blob where unreferenced_since <= ${before} order by unreferenced_since limit ${limit})`.execute(
      this.#database,
    );
    const { count, bytes, oldest } = rows[0]!;
    return { count, bytes, oldestAt: oldest ?? undefined };
  }

  /** Of the digests, those that are still unreferenced since `before` lose their row; returns them with their bytes. */
  async removeDue(
    digests: readonly string[],
    before: number,
    tx: Tx,
  ): Promise<{ readonly sha256: string; readonly bytes: number }[]> {
    return tx
      .deleteFrom('blob')
      .where('sha256', 'in', digests)
      .where('unreferenced_since', '<=', before)
      .returning(['sha256', 'bytes'])
      .execute();
  }

  /** Deletes the row of an upload that failed, unless a version names it by now. */
  async removeUnreferenced(sha256: string): Promise<void> {
    await this.#database
      .deleteFrom('blob')
      .where('sha256', '=', sha256)
      .where('unreferenced_since', 'is not', null)
      .execute();
  }

  async totals(tx?: Tx): Promise<BlobTotal[]> {
    const rows = await (tx ?? this.#database).selectFrom('blob_total').selectAll().execute();
    return rows.map(({ referenced, uploaded_by: uploadedBy, blobs, bytes }) => ({
      isReferenced: referenced === 1,
      uploadedBy,
      blobs,
      bytes,
    }));
  }

  async clampFutureTimes(now: number): Promise<number> {
    const { numUpdatedRows } = await this.#database
      .updateTable('blob')
      .set({ unreferenced_since: now })
      .where('unreferenced_since', '>', now)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }
}
