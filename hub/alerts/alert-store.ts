/** Alerts and silences as rows. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { AlertCode, AlertSeverity, AlertState, Silence } from '../../shared/api/alerts.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';
import type { AlertProgress, Notified } from './alert-machine.ts';

export interface StoredAlert extends AlertProgress {
  readonly id: string;
  readonly code: AlertCode;
  readonly subject: string;
  readonly severity: AlertSeverity;
  readonly summary: string;
  readonly acknowledgedAt: number | null;
  readonly acknowledgedBy: string | null;
  readonly notified: Notified;
}

export interface AlertFilter {
  readonly state?: AlertState | undefined;
  /** Only those that are not resolved. */
  readonly active?: boolean | undefined;
  readonly severity?: AlertSeverity | undefined;
  readonly code?: string | undefined;
  readonly subject?: string | undefined;
  readonly position: Position;
  readonly limit: number;
}

type Connection = Database | Transaction<Tables>;

export class AlertStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  /** Those that are not resolved. There is at most one of a code and a subject. */
  async live(connection: Connection = this.#database): Promise<StoredAlert[]> {
    const rows = await connection.selectFrom('alert').selectAll().where('state', '<>', 'resolved').execute();
    return rows.map(fromRow);
  }

  /** The one of the rule and subject that was resolved last. */
  async lastResolved(
    { code, subject }: Pick<StoredAlert, 'code' | 'subject'>,
    tx: Transaction<Tables>,
  ): Promise<StoredAlert | undefined> {
    const row = await tx
      .selectFrom('alert')
      .selectAll()
      .where('code', '=', code)
      .where('subject', '=', subject)
      .where('resolved_at', 'is not', null)
      .orderBy('resolved_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && fromRow(row);
  }

  async resolvedSince(since: number): Promise<StoredAlert[]> {
    const rows = await this.#database
      .selectFrom('alert')
      .selectAll()
      .where('resolved_at', '>=', since)
      .execute();
    return rows.map(fromRow);
  }

  async find(id: string, connection: Connection = this.#database): Promise<StoredAlert | undefined> {
    const row = await connection.selectFrom('alert').selectAll().where('id', '=', id).executeTakeFirst();
    return row && fromRow(row);
  }

  async list(filter: AlertFilter): Promise<StoredAlert[]> {
    const { state, active, severity, code, subject, position, limit } = filter;
    let query = this.#database.selectFrom('alert').selectAll().limit(limit);
    if (state !== undefined) query = query.where('state', '=', state);
    if (active !== undefined) query = query.where('state', active ? '<>' : '=', 'resolved');
    if (severity !== undefined) query = query.where('severity', '=', severity);
    if (code !== undefined) query = query.where('code', '=', code);
    if (subject !== undefined) query = query.where('subject', '=', subject);
    return (await inOrder(query, position).execute()).map(fromRow);
  }

  async save(alert: StoredAlert, tx: Transaction<Tables>): Promise<void> {
    const { id, ...changed } = toRow(alert);
    await tx
      .insertInto('alert')
      .values({ id, ...changed })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(changed))
      .execute();
  }

  async remove(id: string, tx: Transaction<Tables>): Promise<void> {
    await tx.deleteFrom('alert').where('id', '=', id).execute();
  }

  async addSilence(silence: Silence, tx: Transaction<Tables>): Promise<void> {
    await tx
      .insertInto('alert_silence')
      .values({
        id: silence.id,
        code: silence.code ?? null,
        subject: silence.subject ?? null,
        reason: silence.reason,
        created_at: silence.createdAt,
        created_by: silence.createdBy,
        ends_at: silence.endsAt,
      })
      .execute();
  }

  async silence(id: string, connection: Connection = this.#database): Promise<Silence | undefined> {
    const row = await connection
      .selectFrom('alert_silence')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toSilence(row);
  }

  async endSilence(id: string, now: number, tx: Transaction<Tables>): Promise<void> {
    await tx.updateTable('alert_silence').set({ ends_at: now }).where('id', '=', id).execute();
  }

  /** Those that have not ended. */
  async silencesAt(now: number, connection: Connection = this.#database): Promise<Silence[]> {
    const rows = await connection
      .selectFrom('alert_silence')
      .selectAll()
      .where('ends_at', '>', now)
      .execute();
    return rows.map(toSilence);
  }

  async silences({
    active,
    now,
    position,
    limit,
  }: Pick<AlertFilter, 'active' | 'position' | 'limit'> & { readonly now: number }): Promise<Silence[]> {
    let query = this.#database.selectFrom('alert_silence').selectAll().limit(limit);
    if (active !== undefined) query = query.where('ends_at', active ? '>' : '<=', now);
    return (await inOrder(query, position).execute()).map(toSilence);
  }

  /**
   * Times of alerts that have not come yet become `now`. A silence made while the clock was ahead begins now, and lasts as long as it
   * was to. Returns how many there were.
   */
  async clampFutureTimes(now: number): Promise<number> {
    const times = ['pending_at', 'fired_at', 'clear_since', 'resolved_at', 'acknowledged_at'] as const;
    const alerts = await this.#database
      .updateTable('alert')
      .set(Object.fromEntries(times.map((time) => [time, sql`min(${sql.ref(time)}, ${now})`])))
      .where((eb) => eb.or(times.map((time) => eb(time, '>', now))))
      .executeTakeFirst();
    const silences = await this.#database
      .updateTable('alert_silence')
      .set({ ends_at: sql`ends_at - created_at + ${now}`, created_at: now })
      .where('created_at', '>', now)
      .executeTakeFirst();
    return Number(alerts.numUpdatedRows + silences.numUpdatedRows);
  }

  /** Alerts resolved and silences ended before `before`; counts at most `rowsMax`. */
  async endedBefore(
    before: number,
    rowsMax: number,
  ): Promise<{ readonly count: number; readonly oldestAt: number | undefined }> {
    const alerts = await this.#database
      .selectFrom('alert')
      .select('resolved_at as at')
      .where('resolved_at', '<', before)
      .orderBy('resolved_at')
      .limit(rowsMax)
      .execute();
    const silences = await this.#database
      .selectFrom('alert_silence')
      .select('ends_at as at')
      .where('ends_at', '<', before)
      .orderBy('ends_at')
      .limit(rowsMax - alerts.length)
      .execute();
    const times = [...alerts, ...silences].map(({ at }) => Number(at));
    return { count: times.length, oldestAt: times.length > 0 ? Math.min(...times) : undefined };
  }

  /** Removes at most `rowsMax` of each; returns how many went. */
  async removeEndedBefore(before: number, rowsMax: number): Promise<number> {
    const alerts = await this.#database
      .deleteFrom('alert')
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('alert')
          .select('id')
          .where('resolved_at', '<', before)
          .orderBy('resolved_at')
          .limit(rowsMax),
      )
      .executeTakeFirst();
    const silences = await this.#database
      .deleteFrom('alert_silence')
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('alert_silence')
          .select('id')
          .where('ends_at', '<', before)
          .orderBy('ends_at')
          .limit(rowsMax),
      )
      .executeTakeFirst();
    return Number(alerts.numDeletedRows + silences.numDeletedRows);
  }
}

function fromRow(row: Selectable<Tables['alert']>): StoredAlert {
  return {
    id: row.id,
    code: row.code as AlertCode,
    subject: row.subject,
    severity: row.severity as AlertSeverity,
    state: row.state as AlertState,
    summary: row.summary,
    pendingAt: row.pending_at,
    firedAt: row.fired_at,
    clearSince: row.clear_since,
    resolvedAt: row.resolved_at,
    acknowledgedAt: row.acknowledged_at,
    acknowledgedBy: row.acknowledged_by,
    recurrences: row.recurrences,
    notified: row.notified as Notified,
  };
}

function toRow(alert: StoredAlert): Selectable<Tables['alert']> {
  return {
    id: alert.id,
    code: alert.code,
    subject: alert.subject,
    severity: alert.severity,
    state: alert.state,
    summary: alert.summary,
    pending_at: alert.pendingAt,
    fired_at: alert.firedAt,
    clear_since: alert.clearSince,
    resolved_at: alert.resolvedAt,
    acknowledged_at: alert.acknowledgedAt,
    acknowledged_by: alert.acknowledgedBy,
    recurrences: alert.recurrences,
    notified: alert.notified,
  };
}

function toSilence(row: Selectable<Tables['alert_silence']>): Silence {
  return {
    id: row.id,
    ...(row.code === null ? {} : { code: row.code as AlertCode }),
    ...(row.subject === null ? {} : { subject: row.subject }),
    reason: row.reason,
    createdAt: row.created_at,
    createdBy: row.created_by,
    endsAt: row.ends_at,
  };
}
