/** The table of device hours: what one device added to one cell of one version in one hour, a unit of evidence. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
import type { Database } from '../../db/database.ts';
import type { Tables } from '../../db/tables.ts';
import { type Cell, cellOf } from '../rollups/cell.ts';
import { severityOf, verdictOf } from './severity.ts';

export interface DeviceHourKey {
  readonly deviceId: string;
  readonly model: string;
  readonly version: string;
  readonly hourAt: number;
  readonly cell: Cell;
}

export interface DeviceHour extends DeviceHourKey {
  readonly body: Uint8Array;
  /** How the hour looks by itself. */
  readonly verdict: DriftVerdict;
  /** Failed requests in `body`, for the index of the devices that fail most. */
  readonly failed: number;
}

export interface DeviceHourQuery {
  readonly model: string;
  readonly version: string;
  readonly deviceId: string;
  /** Hours that start at or after `fromMs` and before `toMs`. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What one device added to one cell in an hour, without its figures. */
export interface FailingHour {
  readonly deviceId: string;
  readonly group: string;
  readonly failed: number;
}

/** One that is to leave, or has left. */
export interface OldDeviceHour {
  readonly hourAt: number;
  /** Approximate size on the disk. */
  readonly bytes: number;
}

type Tx = Transaction<Tables>;
type Row = Selectable<Tables['telemetry_device_hour']>;

const PAGE_ROWS = 500;
/** Size of a row beside its body, as the triggers that keep the sum count it. */
const rowBytes = 300;
const keyColumns = [
  'model',
  'version',
  'hour_at',
  'device_id',
  'rollout_id',
  'arm',
  'segment',
  'device_group',
] as const;

export class DeviceHourStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Those that exist, by `deviceHourText`. */
  async find(tx: Tx, keys: readonly DeviceHourKey[]): Promise<Map<string, DeviceHour>> {
    if (keys.length === 0) return new Map();
    const wanted = sql.join(keys.map(keyTuple));
    const { rows } = await sql<Row>`
      select * from telemetry_device_hour where ${sql.raw(`(${keyColumns.join()})`)} in (values ${wanted})`.execute(
      tx,
    );
    return new Map(rows.map(fromRow).map((hour) => [deviceHourText(hour), hour]));
  }

  async save(tx: Tx, hours: readonly DeviceHour[]): Promise<void> {
    if (hours.length === 0) return;
    await tx
      .insertInto('telemetry_device_hour')
      .values(
        hours.map(({ deviceId, model, version, hourAt, cell, body, verdict, failed }) => ({
          device_id: deviceId,
          model,
          version,
          hour_at: hourAt,
          rollout_id: cell.rolloutId,
          arm: cell.arm,
          segment: cell.segment,
          device_group: cell.group,
          severity: severityOf(verdict),
          failed,
          body,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns([...keyColumns]).doUpdateSet((eb) => ({
          body: eb.ref('excluded.body'),
          severity: eb.ref('excluded.severity'),
          failed: eb.ref('excluded.failed'),
        })),
      )
      .execute();
  }

  /** Those of one device, oldest first. */
  async ofDevice({ model, version, deviceId, fromMs, toMs }: DeviceHourQuery): Promise<DeviceHour[]> {
    const rows = await this.#database
      .selectFrom('telemetry_device_hour')
      .selectAll()
      .where('device_id', '=', deviceId)
      .where('model', '=', model)
      .where('version', '=', version)
      .where('hour_at', '>=', fromMs)
      .where('hour_at', '<', toMs)
      .orderBy('hour_at')
      .execute();
    return rows.map(fromRow);
  }

  /** Those of one hour with failed requests, most first, at most `max`. */
  async failing(
    { model, version, hourAt }: Pick<DeviceHourKey, 'model' | 'version' | 'hourAt'>,
    max: number,
  ): Promise<FailingHour[]> {
    const rows = await this.#database
      .selectFrom('telemetry_device_hour')
      .select(['device_id', 'device_group', 'failed'])
      .where('model', '=', model)
      .where('version', '=', version)
      .where('hour_at', '=', hourAt)
      // The index is partial: it serves a number in the statement, and not one that is bound.
      .where('failed', '>', sql.lit(0))
      .orderBy('failed', 'desc')
      .limit(max)
      .execute();
    return rows.map((row) => ({ deviceId: row.device_id, group: row.device_group, failed: row.failed }));
  }

  /** Takes at most `rowsMax` of a device out of the table, and gives them. */
  async take(tx: Tx, deviceId: string, rowsMax: number): Promise<DeviceHour[]> {
    const { rows } = await sql<Row>`
      delete from telemetry_device_hour where rowid in (
        select rowid from telemetry_device_hour where device_id = ${deviceId} limit ${rowsMax})
      returning *`.execute(tx);
    return rows.map(fromRow);
  }

  /** Approximate size of everything that telemetry stores by device and in rollups. */
  async storedBytes(): Promise<number> {
    const row = await this.#database.selectFrom('telemetry_size').select('bytes').executeTakeFirst();
    return row?.bytes ?? 0;
  }

  /** In order of time, page by page. */
  async *oldest(): AsyncGenerator<OldDeviceHour> {
    let after = { hour_at: Number.MIN_SAFE_INTEGER, row: 0 };
    for (;;) {
      const { rows } = await sql<{ hour_at: number; row: number; bytes: number }>`
        select hour_at, rowid as row, length(body) as bytes from telemetry_device_hour
        where (hour_at, rowid) > (${after.hour_at}, ${after.row})
        order by hour_at, rowid limit ${PAGE_ROWS}`.execute(this.#database);
      for (const row of rows) yield toOld(row);
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)!;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Removes at most `rowsMax` that start before `beforeMs`, oldest first. */
  async removeBefore(beforeMs: number, rowsMax: number): Promise<OldDeviceHour[]> {
    const { rows } = await sql<RemovedRow>`
      delete from telemetry_device_hour where rowid in (
        select rowid from telemetry_device_hour where hour_at < ${beforeMs} order by hour_at limit ${rowsMax})
      returning hour_at, length(body) as bytes`.execute(this.#database);
    return rows.map(toOld);
  }

  /** Removes the oldest, as many as take `bytes` together and at most `rowsMax`. */
  async removeOldest(bytes: number, rowsMax: number): Promise<OldDeviceHour[]> {
    const { rows } = await sql<RemovedRow>`
      delete from telemetry_device_hour where rowid in (
        select row from (
          select rowid as row, sum(length(body) + ${sql.lit(rowBytes)})
            over (order by hour_at, rowid rows between unbounded preceding and 1 preceding) as before
          from (select rowid, hour_at, body from telemetry_device_hour order by hour_at, rowid limit ${rowsMax}))
        where coalesce(before, 0) < ${bytes})
      returning hour_at, length(body) as bytes`.execute(this.#database);
    return rows.map(toOld).sort((a, b) => a.hourAt - b.hourAt);
  }
}

/** A key as one text; no part has a space. */
export function deviceHourText({ deviceId, model, version, hourAt, cell }: DeviceHourKey): string {
  return `${deviceId} ${model} ${version} ${hourAt} ${cell.rolloutId} ${cell.arm} ${cell.segment} ${cell.group}`;
}

interface RemovedRow {
  readonly hour_at: number;
  readonly bytes: number;
}

function keyTuple({ deviceId, model, version, hourAt, cell }: DeviceHourKey) {
  const { rolloutId, arm, segment, group } = cell;
  return sql`(${model}, ${version}, ${hourAt}, ${deviceId}, ${rolloutId}, ${arm}, ${segment}, ${group})`;
}

function toOld({ hour_at, bytes }: RemovedRow): OldDeviceHour {
  return { hourAt: hour_at, bytes: bytes + rowBytes };
}

function fromRow(row: Row): DeviceHour {
  return {
    deviceId: row.device_id,
    model: row.model,
    version: row.version,
    hourAt: row.hour_at,
    cell: cellOf(row),
    body: row.body,
    verdict: verdictOf(row.severity),
    failed: row.failed,
  };
}
