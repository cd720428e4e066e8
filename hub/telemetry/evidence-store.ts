/** The table of evidence: what each device brought for the offer of a rollout, as one sum. */
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

const PAGE_ROWS = 500;

export class EvidenceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The rows that exist, by `evidenceText`. */
  async rows(tx: Transaction<Tables>, keys: readonly EvidenceKey[]): Promise<Map<string, EvidenceRow>> {
    if (keys.length === 0) return new Map();
    const wanted = sql.join(keys.map((key) => sql`(${key.rolloutId}, ${key.deviceId})`));
    const { rows } = await sql<Selectable<Tables['telemetry_evidence']>>`
      select * from telemetry_evidence where (rollout_id, device_id) in (values ${wanted})`.execute(tx);
    return new Map(rows.map((row) => [evidenceText(fromRow(row)), fromRow(row)]));
  }

  async save(tx: Transaction<Tables>, rows: readonly EvidenceRow[]): Promise<void> {
    if (rows.length === 0) return;
    await tx
      .insertInto('telemetry_evidence')
      .values(
        rows.map((row) => ({
          rollout_id: row.rolloutId,
          device_id: row.deviceId,
          offered_at: row.offeredAt,
          credit_ms: row.creditMs,
          updated_at: row.updatedAt,
          body: row.body,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['rollout_id', 'device_id']).doUpdateSet((eb) => ({
          offered_at: eb.ref('excluded.offered_at'),
          credit_ms: eb.ref('excluded.credit_ms'),
          updated_at: eb.ref('excluded.updated_at'),
          body: eb.ref('excluded.body'),
        })),
      )
      .execute();
  }

  /** Every device's row of a rollout, in order of device, page by page, so that a large one blocks nobody else. */
  async *ofRollout(rolloutId: string): AsyncGenerator<EvidenceRow> {
    let after = '';
    for (;;) {
      const rows = await this.#database
        .selectFrom('telemetry_evidence')
        .selectAll()
        .where('rollout_id', '=', rolloutId)
        .where('device_id', '>', after)
        .orderBy('device_id')
        .limit(PAGE_ROWS)
        .execute();
      for (const row of rows) yield fromRow(row);
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)!.device_id;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Removes at most `rowsMax` rows that nothing was added to since `beforeMs`; returns how many went. */
  async removeBefore(beforeMs: number, rowsMax: number): Promise<number> {
    const { rows } = await sql<{ device_id: string }>`
      delete from telemetry_evidence where (rollout_id, device_id) in (
        select rollout_id, device_id from telemetry_evidence
        where updated_at < ${beforeMs} order by updated_at limit ${rowsMax})
      returning device_id`.execute(this.#database);
    return rows.length;
  }

  /** Removes at most `rowsMax` rows of a device; returns how many went. */
  async removeDevice(deviceId: string, rowsMax: number, tx: Transaction<Tables>): Promise<number> {
    const { rows } = await sql<{ device_id: string }>`
      delete from telemetry_evidence where (rollout_id, device_id) in (
        select rollout_id, device_id from telemetry_evidence where device_id = ${deviceId} limit ${rowsMax})
      returning device_id`.execute(tx);
    return rows.length;
  }
}

/** A key as one text; ids have no spaces. */
export function evidenceText({ rolloutId, deviceId }: EvidenceKey): string {
  return `${rolloutId} ${deviceId}`;
}

function fromRow(row: Selectable<Tables['telemetry_evidence']>): EvidenceRow {
  return {
    rolloutId: row.rollout_id,
    deviceId: row.device_id,
    offeredAt: row.offered_at,
    creditMs: row.credit_ms,
    updatedAt: row.updated_at,
    body: row.body,
  };
}
