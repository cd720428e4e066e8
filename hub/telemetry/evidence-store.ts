/** The table of evidence: what each device contributed for the offer of a rollout, as one sum. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export interface EvidenceKey {
  readonly rolloutId: string;
  readonly deviceId: string;
}

export interface EvidenceRow extends EvidenceKey {
  readonly offeredAt: number;
  readonly creditMs: number;
  readonly updatedAt: number;
  readonly body: Uint8Array;
}

/** A row as it is stored; its revision is above that of every row that was written before it. */
export interface StoredEvidence extends EvidenceRow {
  readonly revision: number;
}

export type RemovedEvidenceListener = (keys: readonly EvidenceKey[]) => void;

type GoneRow = Pick<Selectable<Tables['telemetry_evidence']>, 'rollout_id' | 'device_id'>;

const PAGE_ROWS = 500;

export class EvidenceStore {
  readonly #database: Database;
  readonly #removedListeners: RemovedEvidenceListener[] = [];
  /** The highest that was ever given: the number of a deleted row must not be given to another. Undefined before the first. */
  #revision: number | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The rows that exist, by `evidenceText`. */
  async rows(tx: Transaction<Tables>, keys: readonly EvidenceKey[]): Promise<Map<string, StoredEvidence>> {
    if (keys.length === 0) return new Map();
    const wanted = sql.join(keys.map((key) => sql`(${key.rolloutId}, ${key.deviceId})`));
    const { rows } = await sql<Selectable<Tables['telemetry_evidence']>>`
      select * from telemetry_evidence where (rollout_id, device_id) in (values ${wanted})`.execute(tx);
    return new Map(rows.map((row) => [evidenceText(fromRow(row)), fromRow(row)]));
  }

  async save(tx: Transaction<Tables>, rows: readonly EvidenceRow[]): Promise<void> {
    if (rows.length === 0) return;
    this.#revision ??= await highestRevision(tx);
    const first = this.#revision + 1;
    this.#revision += rows.length;
    await tx
      .insertInto('telemetry_evidence')
      .values(
        rows.map((row, i) => ({
          rollout_id: row.rolloutId,
          device_id: row.deviceId,
          offered_at: row.offeredAt,
          credit_ms: row.creditMs,
          updated_at: row.updatedAt,
          revision: first + i,
          body: row.body,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['rollout_id', 'device_id']).doUpdateSet((eb) => ({
          offered_at: eb.ref('excluded.offered_at'),
          credit_ms: eb.ref('excluded.credit_ms'),
          updated_at: eb.ref('excluded.updated_at'),
          revision: eb.ref('excluded.revision'),
          body: eb.ref('excluded.body'),
        })),
      )
      .execute();
  }

  /** A rollout's rows with revisions above `revision`, in their order, page by page, so that a large one does not block others. */
  async *changes(rolloutId: string, revision: number): AsyncGenerator<StoredEvidence> {
    let after = revision;
    for (;;) {
      const rows = await this.#database
        .selectFrom('telemetry_evidence')
        .selectAll()
        .where('rollout_id', '=', rolloutId)
        .where('revision', '>', after)
        .orderBy('revision')
        .limit(PAGE_ROWS)
        .execute();
      for (const row of rows) yield fromRow(row);
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)!.revision;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /**
   * Times that have not come yet, stored while the hub's clock was ahead, become `now`, as those of the offers do: evidence belongs to an offer
   * by the time of it. Returns in how many rows.
   */
  async clampFutureTimes(now: number): Promise<number> {
    return this.#database.transaction().execute(async (tx) => {
      this.#revision ??= await highestRevision(tx);
      const { rows } = await sql<{ revision: number }>`
        update telemetry_evidence set offered_at = min(offered_at, ${now}), updated_at = min(updated_at, ${now}),
          revision = ${this.#revision} + rowid
        where offered_at > ${now} or updated_at > ${now}
        returning revision`.execute(tx);
      for (const { revision } of rows) this.#revision = Math.max(this.#revision, revision);
      return rows.length;
    });
  }

  /** `listener` is notified of deleted rows, and of those of a removed device before that is committed. */
  onRemoved(listener: RemovedEvidenceListener): void {
    this.#removedListeners.push(listener);
  }

  /** Removes at most `rowsMax` rows of a device; returns how many were removed. */
  async removeDevice(deviceId: string, rowsMax: number, tx: Transaction<Tables>): Promise<number> {
    const { rows } = await sql<GoneRow>`
      delete from telemetry_evidence where (rollout_id, device_id) in (
        select rollout_id, device_id from telemetry_evidence where device_id = ${deviceId} limit ${rowsMax})
      returning rollout_id, device_id`.execute(tx);
    return this.#gone(rows);
  }

  #gone(rows: readonly GoneRow[]): number {
    const keys = rows.map((row) => ({ rolloutId: row.rollout_id, deviceId: row.device_id }));
    for (const listener of this.#removedListeners) listener(keys);
    return rows.length;
  }

  /** Rows of rollouts that have ended, and that nothing was added to since `beforeMs`; counts at most `rowsMax`. */
  async findBefore(beforeMs: number, rowsMax: number): Promise<EvidenceFound> {
    const { rows } = await sql<{ oldest: number | null; count: number; bytes: number | null }>`
      select min(updated_at) as oldest, count(*) as count, sum(bytes) as bytes
      from (select updated_at, length(body) as bytes ${dueBefore(beforeMs, rowsMax)})`.execute(
      this.#database,
    );
    const { oldest, count, bytes } = rows[0]!;
    return { count, bytes: bytes ?? 0, oldestAt: oldest ?? undefined, isMore: count === rowsMax };
  }

  /** Removes at most `rowsMax` of them, oldest first. */
  async removeBefore(beforeMs: number, rowsMax: number): Promise<{ count: number; bytes: number }> {
    const { rows } = await sql<GoneRow & { readonly bytes: number }>`
      delete from telemetry_evidence where rowid in (select evidence.rowid ${dueBefore(beforeMs, rowsMax)})
      returning rollout_id, device_id, length(body) as bytes`.execute(this.#database);
    this.#gone(rows);
    return { count: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
  }
}

export interface EvidenceFound {
  readonly count: number;
  readonly bytes: number;
  readonly oldestAt: number | undefined;
  readonly isMore: boolean;
}

function dueBefore(beforeMs: number, rowsMax: number) {
  return sql`from telemetry_evidence as evidence
    where updated_at < ${beforeMs} and exists (
      select 1 from rollout where rollout.id = evidence.rollout_id
      and rollout.status in ('completed', 'aborted', 'rolled-back'))
    order by updated_at limit ${rowsMax}`;
}

/** A key as one text; ids have no spaces. */
export function evidenceText({ rolloutId, deviceId }: EvidenceKey): string {
  return `${rolloutId} ${deviceId}`;
}

async function highestRevision(tx: Transaction<Tables>): Promise<number> {
  const row = await tx
    .selectFrom('telemetry_evidence')
    .select(({ fn }) => fn.max('revision').as('revision'))
    .executeTakeFirst();
  return row?.revision ?? 0;
}

function fromRow(row: Selectable<Tables['telemetry_evidence']>): StoredEvidence {
  return {
    rolloutId: row.rollout_id,
    deviceId: row.device_id,
    offeredAt: row.offered_at,
    creditMs: row.credit_ms,
    updatedAt: row.updated_at,
    revision: row.revision,
    body: row.body,
  };
}
