/** Rows of `device` and `device_event`. */
import { CompiledQuery, type Selectable, sql, type Transaction } from 'kysely';
import { limits } from '../../shared/base/limits.ts';
import type { UpdateEvent } from '../../shared/protocol/update-event.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';

export type DeviceRow = Selectable<Tables['device']>;
type Connection = Database | Transaction<Tables>;

export interface DeviceFilter {
  readonly group?: string;
  /** Those that are to run a version of the model, or this one of it. */
  readonly model?: string;
  readonly version?: string;
}

/** Where a device stands in the orders of the list. */
export interface DevicePlace {
  readonly id: string;
  readonly enrolledAt: number;
}

export interface ScannedDevice extends DevicePlace {
  readonly fits: boolean;
}

export interface DevicePagePlace {
  readonly position: Position;
  readonly limit: number;
}

/** Devices in order of id. */
export interface DevicePosition {
  readonly group?: string;
  readonly after?: string;
  readonly limit: number;
}

/** What an event takes beside its body. */
const EVENT_ROW_BYTES = 250;
/** Written out: building it takes several times as long as SQLite needs for the row, and after an outage ten thousand come at once. */
const ADD_EVENT = `insert into device_event
  (device_id, event_id, received_at, model, version, rollout_id, state, body) values (?, ?, ?, ?, ?, ?, ?, ?)
  on conflict do nothing`;

export interface GroupCount {
  readonly group: string;
  readonly devices: number;
}

export class DeviceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  /** A revoked device's row is found too: its id can be enrolled again. */
  find(id: string, connection: Connection = this.#database): Promise<DeviceRow | undefined> {
    return connection.selectFrom('device').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** Adds the device, or gives a revoked one its new identity. */
  async admit(row: DeviceRow, tx: Transaction<Tables>): Promise<void> {
    const { id: _, ...fresh } = row;
    await tx
      .insertInto('device')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(fresh))
      .execute();
  }

  async forgetReports(): Promise<void> {
    await this.#database.updateTable('device').set({ reported: null }).execute();
  }

  /** Devices in the order of `position`, each with whether it fits the filter: at most `limit` are read, whatever fits. */
  async scan(filter: DeviceFilter, place: DevicePagePlace): Promise<ScannedDevice[]> {
    const places = await this.scanQuery(filter, place).execute();
    return places.map((one) => ({ ...one, fits: one.fits === 1 }));
  }

  /** Goes along an index of the group or, in the order of id, of what devices are to run. */
  scanQuery({ group, model, version }: DeviceFilter, { position, limit }: DevicePagePlace) {
    const columns = ['device.id', 'device.enrolled_at as enrolledAt'] as const;
    if (model !== undefined && position.columns[0] === 'id') {
      const fits = sql<number>`revoked_at is null and device_group = ifnull(${group ?? null}, device_group)`;
      let desired = this.#database
        .selectFrom('desired_model')
        .innerJoin('device', 'device.id', 'desired_model.device_id')
        .select([...columns, fits.as('fits')])
        .where('model', '=', model)
        .where(sql<boolean>`unconfirmed = 0`)
        .limit(limit);
      if (version !== undefined) desired = desired.where('version', '=', version);
      return inOrder(desired, { ...position, columns: ['desired_model.device_id'] });
    }
    const ofVersion = version === undefined ? sql`` : sql`and version = ${version}`;
    const fits =
      model === undefined
        ? sql<number>`1`
        : sql<number>`exists (select 1 from desired_model
            where device_id = device.id and model = ${model} ${ofVersion} and unconfirmed = 0)`;
    let devices = this.#database
      .selectFrom('device')
      .select([...columns, fits.as('fits')])
      .where('revoked_at', 'is', null)
      .limit(limit);
    if (group !== undefined) devices = devices.where('device_group', '=', group);
    return inOrder(devices, position);
  }

  /** Those of these ids that are devices of the hub, in the order of the ids. */
  async pick(ids: readonly string[]): Promise<DeviceRow[]> {
    const { rows } = await sql<DeviceRow>`select device.* from json_each(${JSON.stringify(ids)}) as wanted
      join device on device.id = wanted.value where revoked_at is null order by wanted.key`.execute(
      this.#database,
    );
    return rows;
  }

  /** Those that are not removed, in order of id. */
  after({ group, after, limit }: DevicePosition): Promise<DeviceRow[]> {
    let query = this.#database
      .selectFrom('device')
      .selectAll()
      .where('revoked_at', 'is', null)
      .orderBy('id')
      .limit(limit);
    if (group !== undefined) query = query.where('device_group', '=', group);
    if (after !== undefined) query = query.where('id', '>', after);
    return query.execute();
  }

  /** What devices that are not removed last reported, in order of id. */
  async reported({
    after,
    limit,
  }: {
    readonly after: string;
    readonly limit: number;
  }): Promise<{ readonly id: string; readonly reported: string }[]> {
    const rows = await this.#database
      .selectFrom('device')
      .select(['id', 'reported'])
      .where('id', '>', after)
      .where('revoked_at', 'is', null)
      .where('reported', 'is not', null)
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(({ id, reported }) => ({ id, reported: reported! }));
  }

  /** Devices of each group, from sums that the database keeps. */
  async totals(): Promise<GroupCount[]> {
    return this.#database
      .selectFrom('device_total')
      .select(['device_group as group', 'devices'])
      .orderBy('device_group')
      .execute();
  }

  /** When the first device certificate expires, and how many expire before `beforeMs`. */
  async certificateExpiry(
    beforeMs: number,
  ): Promise<{ readonly firstAt: number | undefined; readonly before: number }> {
    const { rows } = await sql<{ first: number | null; before: number }>`
      select (select min(certificate_expires_at) from device where revoked_at is null) as first,
        (select count(*) from device where revoked_at is null and certificate_expires_at < ${beforeMs}) as before`.execute(
      this.#database,
    );
    return { firstAt: rows[0]?.first ?? undefined, before: rows[0]?.before ?? 0 };
  }

  /** Groups with devices, from sums that the database keeps. */
  groups({ position, limit }: DevicePagePlace): Promise<GroupCount[]> {
    const query = this.#database
      .selectFrom('device_total')
      .select(['device_group as group', 'devices'])
      .limit(limit);
    return inOrder(query, position).execute();
  }

  async idsInGroup(group: string | undefined): Promise<string[]> {
    let query = this.#database
      .selectFrom('device')
      .select('id')
      .where('revoked_at', 'is', null)
      .orderBy('id');
    if (group !== undefined) query = query.where('device_group', '=', group);
    return (await query.execute()).map((row) => row.id);
  }

  /** Those of these ids that are devices of the hub. */
  async groupsOf(ids: readonly string[], tx: Transaction<Tables>): Promise<ReadonlyMap<string, string>> {
    if (ids.length === 0) return new Map();
    const rows = await tx
      .selectFrom('device')
      .select(['id', 'device_group'])
      // One parameter, however many there are: every length of a list would be a statement of its own.
      .where('id', 'in', sql<string>`(select value from json_each(${JSON.stringify(ids)}))`)
      .where('revoked_at', 'is', null)
      .execute();
    return new Map(rows.map((row) => [row.id, row.device_group]));
  }

  /**
   * The next devices in order of id, removed ones left out, each with whether its last report may name the version, or it has
   * said nothing since a time when it could be given it.
   */
  async mayHold(
    what: { readonly version: string; readonly manifestSha256: string; readonly knownAt: number },
    { after, limit }: { readonly after: string; readonly limit: number },
  ): Promise<{ readonly id: string; readonly mayHold: boolean }[]> {
    const { version, manifestSha256, knownAt } = what;
    const { rows } = await sql<{ id: string; held: number }>`
      select id, iif(reported is null, enrolled_at <= ${knownAt},
          instr(reported, ${manifestSha256}) > 0 or instr(reported, ${version}) > 0) as held
        from device where id > ${after} and revoked_at is null order by id limit ${limit}`.execute(
      this.#database,
    );
    return rows.map(({ id, held }) => ({ id, mayHold: held === 1 }));
  }

  /** Changes columns of a device; false when there is none, or it was revoked. */
  async update(
    id: string,
    values: Partial<Omit<DeviceRow, 'id'>>,
    connection: Connection = this.#database,
  ): Promise<boolean> {
    const { numUpdatedRows } = await connection
      .updateTable('device')
      .set(values)
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** False when the event was there already. */
  async addEvent(
    deviceId: string,
    event: UpdateEvent,
    now: number,
    tx: Transaction<Tables>,
  ): Promise<boolean> {
    const { id, model, version, rollout = null, state } = event;
    const row = [deviceId, id, now, model, version, rollout, state, JSON.stringify(event)];
    const { numAffectedRows } = await tx.executeQuery(CompiledQuery.raw(ADD_EVENT, row));
    return (numAffectedRows ?? 0n) > 0n;
  }

  async countEvents(deviceId: string, tx: Transaction<Tables>): Promise<number> {
    const { count } = await tx
      .selectFrom('device_event')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('device_id', '=', deviceId)
      .executeTakeFirstOrThrow();
    return count;
  }

  /** Drops the oldest events of the device beyond the limit, and some more, so that the next ones fit. */
  async trimEvents(deviceId: string, tx: Transaction<Tables>): Promise<void> {
    await tx
      .deleteFrom('device_event')
      .where(sql<number>`rowid`, 'in', (eb) =>
        eb
          .selectFrom('device_event')
          .select(sql<number>`rowid`.as('rowid'))
          .where('device_id', '=', deviceId)
          .orderBy('received_at', 'desc')
          .orderBy(sql`rowid`, 'desc')
          .offset(limits.eventsKeptPerDeviceMax - limits.eventsDroppedAtOnce)
          .limit(limits.eventsKeptPerDeviceMax),
      )
      .execute();
  }

  async forgetEvents(deviceId: string, tx: Transaction<Tables>): Promise<void> {
    await tx.deleteFrom('device_event').where('device_id', '=', deviceId).execute();
  }

  /** About the events that were received before `beforeMs`; counts at most `rowsMax`. */
  async eventsBefore(
    beforeMs: number,
    rowsMax: number,
  ): Promise<{ readonly count: number; readonly bytes: number; readonly oldestAt: number | undefined }> {
    const { rows } = await sql<{ count: number; bytes: number | null; oldest: number | null }>`
      select count(*) as count, sum(length(body)) as bytes, min(received_at) as oldest from (
        select received_at, body from device_event where received_at < ${beforeMs}
        order by received_at limit ${rowsMax})`.execute(this.#database);
    const { count, bytes, oldest } = rows[0]!;
    return { count, bytes: (bytes ?? 0) + count * EVENT_ROW_BYTES, oldestAt: oldest ?? undefined };
  }

  /** Removes at most `rowsMax` of them, oldest first. */
  async removeEventsBefore(
    beforeMs: number,
    rowsMax: number,
  ): Promise<{ readonly count: number; readonly bytes: number }> {
    const { rows } = await sql<{ bytes: number }>`
      delete from device_event where rowid in (
        select rowid from device_event where received_at < ${beforeMs} order by received_at limit ${rowsMax})
      returning length(body) + ${EVENT_ROW_BYTES} as bytes`.execute(this.#database);
    return { count: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Devices that were removed before `beforeMs`, those that were first. */
  async removedBefore(
    beforeMs: number,
    limit: number,
    connection: Connection = this.#database,
  ): Promise<{ readonly id: string; readonly removedAt: number }[]> {
    const rows = await connection
      .selectFrom('device')
      .select(['id', 'revoked_at'])
      .where('revoked_at', 'is not', null)
      .where('revoked_at', '<', beforeMs)
      .orderBy('revoked_at')
      .limit(limit)
      .execute();
    return rows.map((row) => ({ id: row.id, removedAt: row.revoked_at! }));
  }

  /** Nothing is left of these removed devices; other parts have given up what refers to them. */
  async forgetRemoved(ids: readonly string[], tx: Transaction<Tables>): Promise<void> {
    await tx.deleteFrom('device_event').where('device_id', 'in', ids).execute();
    await tx.deleteFrom('device').where('id', 'in', ids).where('revoked_at', 'is not', null).execute();
  }

  /** Newest first. */
  async events(
    deviceId: string,
    limit: number,
  ): Promise<{ readonly at: number; readonly event: UpdateEvent }[]> {
    const rows = await this.#database
      .selectFrom('device_event')
      .select(['received_at', 'body'])
      .where('device_id', '=', deviceId)
      .orderBy('received_at', 'desc')
      .orderBy(sql`rowid`, 'desc')
      .limit(limit)
      .execute();
    return rows.map((row) => ({ at: row.received_at, event: JSON.parse(row.body) as UpdateEvent }));
  }
}
