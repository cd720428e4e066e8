/** The tables of versions, as far as their files may leave: who names a chunk, and whose files are due or on their way. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

/** A withdrawn version whose files are still there. */
export interface WithdrawnVersion {
  readonly model: string;
  readonly version: string;
  readonly manifestSha256: string;
  /** When the hub learnt of it, milliseconds since the epoch. */
  readonly knownAt: number;
}
type Tx = Transaction<Tables>;

export class ContentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  /** Of these blobs, those that a version names whose files have not left: its chunks and its manifest. */
  async namedBy(digests: readonly string[], db: Database | Tx = this.#database): Promise<Set<string>> {
    const chunks = await db
      .selectFrom('version_chunk')
      .select('chunk_sha256 as sha256')
      .distinct()
      .where('chunk_sha256', 'in', digests)
      .execute();
    const manifests = await db
      .selectFrom('version')
      .select('manifest_sha256 as sha256')
      .where('manifest_sha256', 'in', digests)
      .where((where) => where.or([where('content_left_at', 'is', null), where('content_leaving', '=', 1)]))
      .execute();
    return new Set([...chunks, ...manifests].map(({ sha256 }) => sha256));
  }

  /** Known to be withdrawn since `before` or longer, files still there; in order, from after one of them on. */
  async withdrawn(
    before: number,
    limit: number,
    after?: Pick<WithdrawnVersion, 'knownAt' | 'manifestSha256'>,
  ): Promise<WithdrawnVersion[]> {
    let query = this.#database
      .selectFrom('version')
      .select(['model', 'version', 'manifest_sha256', 'withdrawal_known_at'])
      .where('withdrawal_known_at', '<=', before)
      .where('content_left_at', 'is', null)
      .orderBy('withdrawal_known_at')
      .orderBy('manifest_sha256')
      .limit(limit);
    if (after) {
      const { knownAt, manifestSha256 } = after;
      query = query.where(
        sql<boolean>`(withdrawal_known_at, manifest_sha256) > (${knownAt}, ${manifestSha256})`,
      );
    }
    return (await query.execute()).map(toWithdrawn);
  }

  /** Bytes of the blobs that only this version names. */
  async ownBytes(manifestSha256: string): Promise<number> {
    const { rows } = await sql<{ bytes: number }>`
      select coalesce(sum(b.bytes), 0) as bytes from version_chunk c join blob b on b.sha256 = c.chunk_sha256
        where c.manifest_sha256 = ${manifestSha256} and not exists (
          select 1 from version_chunk o where o.chunk_sha256 = c.chunk_sha256 and o.manifest_sha256 <> c.manifest_sha256)`.execute(
      this.#database,
    );
    return rows[0]!.bytes;
  }

  /** From now on the version has no files. */
  async startLeaving(manifestSha256: string, now: number, tx: Tx): Promise<void> {
    await tx
      .updateTable('version')
      .set({ content_left_at: now, content_leaving: 1 })
      .where('manifest_sha256', '=', manifestSha256)
      .execute();
  }

  /** A version whose chunks are still to be taken off it. */
  async leaving(): Promise<string | undefined> {
    const row = await this.#database
      .selectFrom('version')
      .select('manifest_sha256')
      .where('content_leaving', '=', 1)
      .limit(1)
      .executeTakeFirst();
    return row?.manifest_sha256;
  }

  /** Takes at most `limit` chunks off a version; returns them. */
  async takeChunks(manifestSha256: string, limit: number, tx: Tx): Promise<string[]> {
    const rows = await tx
      .selectFrom('version_chunk')
      .select('chunk_sha256')
      .where('manifest_sha256', '=', manifestSha256)
      .limit(limit)
      .execute();
    const chunks = rows.map((row) => row.chunk_sha256);
    if (chunks.length === 0) return chunks;
    await tx
      .deleteFrom('version_chunk')
      .where('manifest_sha256', '=', manifestSha256)
      .where('chunk_sha256', 'in', chunks)
      .execute();
    return chunks;
  }

  async endLeaving(manifestSha256: string, tx: Tx): Promise<void> {
    await tx
      .updateTable('version')
      .set({ content_leaving: 0 })
      .where('manifest_sha256', '=', manifestSha256)
      .execute();
  }

  /** Nobody waits for these any more. */
  async forgetLost(digests: readonly string[], tx: Tx): Promise<void> {
    if (digests.length > 0) await tx.deleteFrom('blob_lost').where('sha256', 'in', digests).execute();
  }

  async clampFutureTimes(now: number): Promise<number> {
    const { numUpdatedRows } = await this.#database
      .updateTable('version')
      .set({ withdrawal_known_at: now })
      .where('withdrawal_known_at', '>', now)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }
}

function toWithdrawn(
  row: Pick<Selectable<Tables['version']>, 'model' | 'version' | 'manifest_sha256' | 'withdrawal_known_at'>,
): WithdrawnVersion {
  return {
    model: row.model,
    version: row.version,
    manifestSha256: row.manifest_sha256,
    knownAt: row.withdrawal_known_at!,
  };
}
