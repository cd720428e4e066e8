/** The table of activity: which devices have reported a version, from when to when, and the drift verdict of each by itself. */
import { sql, type Transaction } from 'kysely';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
import { compareVersions } from '../../../shared/base/version-order.ts';
import type { Database } from '../../db/database.ts';
import type { Tables } from '../../db/tables.ts';
import { severityOf, verdictOf } from './severity.ts';

/** What one hour of one device looks like against the version's reference profile. */
export interface HourVerdict {
  readonly verdict: DriftVerdict;
  /** Orders devices of one verdict: the worst feature's PSI over its threshold. */
  readonly score: number;
}

export interface Activity {
  readonly deviceId: string;
  readonly model: string;
  readonly version: string;
  readonly group: string;
  /** Start of the hour. */
  readonly hourAt: number;
  readonly verdict: HourVerdict;
}

export interface ActivityQuery {
  readonly model: string;
  readonly version: string;
  readonly group?: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface JudgedDevice {
  readonly deviceId: string;
  readonly verdict: DriftVerdict;
  /** Start of the hour that was judged. */
  readonly judgedAt: number;
}

export interface ActiveDevice {
  readonly deviceId: string;
  /** Start of the first and of the last hour. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export class ActivityStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * To be called for an hour that is new or is judged differently. One with too few rows shows nothing, and leaves the verdict of the hour
   * before as it is.
   */
  async save(tx: Transaction<Tables>, activities: readonly Activity[]): Promise<void> {
    if (activities.length === 0) return;
    await tx
      .insertInto('telemetry_activity')
      .values(
        activities.map(({ deviceId, model, version, group, hourAt, verdict }) => ({
          device_id: deviceId,
          model,
          version,
          device_group: group,
          first_at: hourAt,
          last_at: hourAt,
          severity: severityOf(verdict.verdict),
          score: verdict.score,
          judged_at: hourAt,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['model', 'version', 'device_id']).doUpdateSet({
          device_group: sql`excluded.device_group`,
          first_at: sql`case when excluded.first_at < first_at then excluded.first_at else first_at end`,
          last_at: sql`case when excluded.last_at > last_at then excluded.last_at else last_at end`,
          severity: sql`case when excluded.severity > 0 then excluded.severity else severity end`,
          score: sql`case when excluded.severity > 0 then excluded.score else score end`,
          judged_at: sql`case when excluded.severity > 0 then excluded.judged_at else judged_at end`,
        }),
      )
      .execute();
  }

  /** Versions that devices reported in the span, and how many devices each; most devices first, of as many the newest. */
  async versions({
    model,
    fromMs,
    toMs,
  }: Omit<ActivityQuery, 'version'>): Promise<{ readonly version: string; readonly devices: number }[]> {
    const rows = await this.#database
      .selectFrom('telemetry_activity')
      .select(['version', (eb) => eb.fn.countAll<number>().as('devices')])
      .where('model', '=', model)
      .where('last_at', '>=', fromMs)
      .where('first_at', '<', toMs)
      .groupBy('version')
      .execute();
    return rows.sort((a, b) => b.devices - a.devices || compareVersions(b.version, a.version));
  }

  /** Devices that reported in the span, and those of them whose own inputs or outputs drift. */
  async count(query: ActivityQuery): Promise<{ readonly devices: number; readonly drifted: number }> {
    const row = await this.#inSpan(query)
      .select([
        (eb) => eb.fn.countAll<number>().as('devices'),
        sql<number>`coalesce(sum(case when severity = ${severityOf('drift')} and judged_at >= ${query.fromMs} then 1 else 0 end), 0)`.as(
          'drifted',
        ),
      ])
      .executeTakeFirstOrThrow();
    return row;
  }

  /** The devices whose own figures are worst, at most `max`. */
  async worst(query: ActivityQuery, max: number): Promise<JudgedDevice[]> {
    const severity = sql<number>`case when judged_at >= ${query.fromMs} then severity else 0 end`;
    const rows = await this.#inSpan(query)
      .select(['device_id', 'judged_at', severity.as('severity')])
      .orderBy(severity, 'desc')
      .orderBy('score', 'desc')
      .orderBy('device_id')
      .limit(max)
      .execute();
    return rows.map((row) => ({
      deviceId: row.device_id,
      verdict: verdictOf(row.severity),
      judgedAt: row.judged_at,
    }));
  }

  /** The first `rowsMax` devices behind `after` by id that ever reported the version, with the hours they did so in. */
  async page(
    { model, version, after }: { readonly model: string; readonly version: string; readonly after: string },
    rowsMax: number,
  ): Promise<ActiveDevice[]> {
    const rows = await this.#database
      .selectFrom('telemetry_activity')
      .select(['device_id', 'first_at', 'last_at'])
      .where('model', '=', model)
      .where('version', '=', version)
      .where('device_id', '>', after)
      .orderBy('device_id')
      .limit(rowsMax)
      .execute();
    return rows.map((row) => ({ deviceId: row.device_id, firstAt: row.first_at, lastAt: row.last_at }));
  }

  async removeDevice(tx: Transaction<Tables>, deviceId: string): Promise<void> {
    await tx.deleteFrom('telemetry_activity').where('device_id', '=', deviceId).execute();
  }

  /** Removes at most `rowsMax` of devices that reported the version last before `beforeMs`; returns how many went. */
  async removeBefore(beforeMs: number, rowsMax: number): Promise<number> {
    const { rows } = await sql`
      delete from telemetry_activity where (model, version, device_id) in (
        select model, version, device_id from telemetry_activity where last_at < ${beforeMs}
        order by last_at limit ${rowsMax})
      returning device_id`.execute(this.#database);
    return rows.length;
  }

  #inSpan({ model, version, group, fromMs, toMs }: ActivityQuery) {
    const query = this.#database
      .selectFrom('telemetry_activity')
      .where('model', '=', model)
      .where('version', '=', version)
      .where('last_at', '>=', fromMs)
      .where('first_at', '<', toMs);
    return group === undefined ? query : query.where('device_group', '=', group);
  }
}
