/** The rows of rollouts that have ended, as far as nothing needs them any more. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export interface EndedRollout {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly status: string;
  /** When it ended, or something about it changed last. */
  readonly updatedAt: number;
}

export interface RolloutRows {
  readonly devices: number;
  readonly verdicts: number;
  /** Their approximate size. */
  readonly bytes: number;
}

type Connection = Database | Transaction<Tables>;

/** Size of a row of a device, and of a row of a rollout or verdict beside its texts. */
const ROW_BYTES = 250;
/** Rows that are deleted before yielding to the event loop. */
const ROWS_AT_ONCE = 1_000;

export class RolloutHistoryStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  /** Rollouts that ended before `beforeMs` and that nothing needs, those that ended first; with `id`, whether that one is. */
  async due(
    beforeMs: number,
    { id, limit }: { readonly id?: string; readonly limit: number },
    connection: Connection = this.#database,
  ): Promise<EndedRollout[]> {
    const one = id === undefined ? sql`` : sql`and id = ${id}`;
    // SQLite would use the index on status, which nearly all of them share.
    const { rows } = await sql<EndedRollout>`
      select id, model, version, status, updated_at as updatedAt from rollout indexed by rollout_ended
      where status in ('completed', 'aborted', 'rolled-back') and updated_at < ${beforeMs} ${one}
      and not ${isNeeded} order by updated_at limit ${limit}`.execute(connection);
    return rows;
  }

  async rowsOf(id: string, connection: Connection = this.#database): Promise<RolloutRows> {
    const { rows } = await sql<{ devices: number; verdicts: number; texts: number | null }>`
      select (select count(*) from rollout_device where rollout_id = ${id}) as devices,
        count(*) as verdicts, sum(length(reasons) + length(inputs)) as texts
      from rollout_verdict where rollout_id = ${id}`.execute(connection);
    const { devices, verdicts, texts } = rows[0]!;
    return { devices, verdicts, bytes: (devices + verdicts + 1) * ROW_BYTES + (texts ?? 0) };
  }

  /** All of a rollout. Its rows are deleted in batches that yield to the event loop; the transaction holds the database meanwhile. */
  async remove(id: string, tx: Transaction<Tables>): Promise<void> {
    for (const table of ['rollout_device', 'telemetry_evidence', 'rollout_verdict'] as const) {
      for (;;) {
        const { numAffectedRows = 0n } = await sql`delete from ${sql.table(table)} where rowid in (
          select rowid from ${sql.table(table)} where rollout_id = ${id} limit ${ROWS_AT_ONCE})`.execute(tx);
        if (numAffectedRows < ROWS_AT_ONCE) break;
        await nextTurn();
      }
    }
    await tx.deleteFrom('rollout').where('id', '=', id).execute();
  }
}

/**
 * True while a device is to run a version because of the rollout, which can still be rolled back then, while a version is still to be
 * reverted, or a device that had it is still to report what it runs now.
 */
const isNeeded = sql`(
  exists (select 1 from desired_model where desired_model.rollout_id = rollout.id)
  or (rollout.status <> 'completed' and exists (
    select 1 from rollout_device as held where held.rollout_id = rollout.id and held.removed_at is null and (
      (held.assigned = 0 and held.offered_at is not null and held.reverted_at is null)
      or (rollout.status = 'aborted' and held.assigned = 1
        and (held.status not in ('trial', 'succeeded') or json_extract(rollout.state, '$.ending') = 'revert'))))))`;
