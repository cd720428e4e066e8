/**
 * The tables of telemetry: stream positions (what was merged already) and buckets (what it added up to). Figures read from
 * buckets leave out devices that were removed from the hub.
 */

import { type Selectable, sql, type Transaction } from 'kysely';
import { compareVersions } from '../../shared/base/version-order.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export interface StreamKey {
  readonly deviceId: string;
  readonly stream: string;
}

export interface BucketKey {
  readonly deviceId: string;
  readonly model: string;
  readonly version: string;
  readonly bucketAt: number;
}

export interface Bucket extends BucketKey {
  readonly body: Uint8Array;
}

export interface BucketQuery {
  readonly model: string;
  readonly version: string;
  /** Buckets that start at or after `fromMs` and before `toMs`. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** A bucket that is to be deleted, or was. */
export interface OldBucket {
  readonly bucketAt: number;
  /** Its approximate size on the disk. */
  readonly bytes: number;
}

type Tx = Transaction<Tables>;

const PAGE_ROWS = 500;
const HOUR_MS = 3_600_000;
const isNotRemoved = sql<boolean>`device_id not in (select device_id from telemetry_removed)`;

export class TelemetryStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Runs `work` in one transaction; it is durable when the promise resolves. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  /** Highest merged number of each stream that has one, by `streamText`. */
  async streamNumbers(tx: Tx, keys: readonly StreamKey[]): Promise<Map<string, number>> {
    if (keys.length === 0) return new Map();
    const wanted = sql.join(keys.map((key) => sql`(${key.deviceId}, ${key.stream})`));
    const { rows } = await sql<Selectable<Tables['telemetry_stream']>>`
      select device_id, stream, number from telemetry_stream
      where (device_id, stream) in (values ${wanted})`.execute(tx);
    return new Map(
      rows.map((row) => [streamText({ deviceId: row.device_id, stream: row.stream }), row.number]),
    );
  }

  async saveStreams(
    tx: Tx,
    streams: readonly (StreamKey & { readonly number: number })[],
    now: number,
  ): Promise<void> {
    if (streams.length === 0) return;
    await tx
      .insertInto('telemetry_stream')
      .values(
        streams.map((s) => ({ device_id: s.deviceId, stream: s.stream, number: s.number, updated_at: now })),
      )
      .onConflict((conflict) =>
        conflict.columns(['device_id', 'stream']).doUpdateSet((eb) => ({
          number: eb.ref('excluded.number'),
          updated_at: eb.ref('excluded.updated_at'),
        })),
      )
      .execute();
  }

  /** Deletes all but the `kept` most recently advanced streams of a device. */
  async trimStreams(tx: Tx, deviceId: string, kept: number): Promise<void> {
    await tx
      .deleteFrom('telemetry_stream')
      .where('device_id', '=', deviceId)
      .where('stream', 'not in', (eb) =>
        eb
          .selectFrom('telemetry_stream')
          .select('stream')
          .where('device_id', '=', deviceId)
          .orderBy('updated_at', 'desc')
          .orderBy('stream')
          .limit(kept),
      )
      .execute();
  }

  /** Bodies of the buckets that exist, by `bucketText`. */
  async buckets(tx: Tx, keys: readonly BucketKey[]): Promise<Map<string, Uint8Array>> {
    if (keys.length === 0) return new Map();
    const wanted = sql.join(
      keys.map((key) => sql`(${key.model}, ${key.version}, ${key.bucketAt}, ${key.deviceId})`),
    );
    const { rows } = await sql<Selectable<Tables['telemetry_bucket']>>`
      select device_id, model, version, bucket_at, body from telemetry_bucket
      where (model, version, bucket_at, device_id) in (values ${wanted})`.execute(tx);
    return new Map(rows.map((row) => [bucketText(fromRow(row)), row.body]));
  }

  async saveBuckets(tx: Tx, buckets: readonly Bucket[]): Promise<void> {
    if (buckets.length === 0) return;
    await tx
      .insertInto('telemetry_bucket')
      .values(
        buckets.map((b) => ({
          device_id: b.deviceId,
          model: b.model,
          version: b.version,
          bucket_at: b.bucketAt,
          body: b.body,
        })),
      )
      .onConflict((conflict) =>
        conflict
          .columns(['model', 'version', 'bucket_at', 'device_id'])
          .doUpdateSet((eb) => ({ body: eb.ref('excluded.body') })),
      )
      .execute();
  }

  /** Buckets of a query in order of time, page by page, so that a long span does not block others. */
  async *read(query: BucketQuery): AsyncGenerator<Bucket> {
    let after: { readonly bucketAt: number; readonly deviceId: string } = {
      bucketAt: query.fromMs,
      deviceId: '',
    };
    for (;;) {
      const rows = await this.#database
        .selectFrom('telemetry_bucket')
        .selectAll()
        .where('model', '=', query.model)
        .where('version', '=', query.version)
        .where('bucket_at', '<', query.toMs)
        .where(isNotRemoved)
        .where(sql<boolean>`(bucket_at, device_id) > (${after.bucketAt}, ${after.deviceId})`)
        .orderBy('bucket_at')
        .orderBy('device_id')
        .limit(PAGE_ROWS)
        .execute();
      for (const row of rows) yield fromRow(row);
      if (rows.length < PAGE_ROWS) return;
      after = { bucketAt: rows.at(-1)!.bucket_at, deviceId: rows.at(-1)!.device_id };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Versions of a model with buckets in the span, and how many devices reported each; most devices first, of as many the newest. */
  async versions(
    query: Omit<BucketQuery, 'version'>,
  ): Promise<{ readonly version: string; readonly devices: number }[]> {
    const rows = await this.#database
      .selectFrom('telemetry_bucket')
      .select(['version', (eb) => eb.fn.count<number>('device_id').distinct().as('devices')])
      .where('model', '=', query.model)
      .where('bucket_at', '>=', query.fromMs)
      .where('bucket_at', '<', query.toMs)
      .where(isNotRemoved)
      .groupBy('version')
      .execute();
    return rows.sort((a, b) => b.devices - a.devices || compareVersions(b.version, a.version));
  }

  /**
   * Buckets that start before `toMs`, a multiple of an hour, and not on an hour: those of the oldest hour, device by device. An index
   * has them in this order.
   */
  async fineBefore(toMs: number, rowsMax: number, tx: Tx): Promise<Bucket[]> {
    const { rows } = await sql<Selectable<Tables['telemetry_bucket']>>`
      select device_id, model, version, bucket_at, body from telemetry_bucket
      where bucket_at % 3600000 <> 0 and bucket_at / 3600000 < ${Math.floor(toMs / HOUR_MS)}
      order by bucket_at / 3600000, device_id limit ${rowsMax}`.execute(tx);
    return rows.map(fromRow);
  }

  async removeBuckets(tx: Tx, keys: readonly BucketKey[]): Promise<void> {
    if (keys.length === 0) return;
    const gone = sql.join(
      keys.map((key) => sql`(${key.model}, ${key.version}, ${key.bucketAt}, ${key.deviceId})`),
    );
    await sql`
      delete from telemetry_bucket where (model, version, bucket_at, device_id) in (values ${gone})`.execute(
      tx,
    );
  }

  /** The approximate size of all buckets on the disk. */
  async storedBytes(): Promise<number> {
    const row = await this.#database.selectFrom('telemetry_size').select('bytes').executeTakeFirst();
    return row?.bytes ?? 0;
  }

  /** The device was removed from the hub: its rows no longer count. */
  async markRemoved(deviceId: string, now: number, tx: Tx): Promise<void> {
    await tx
      .insertInto('telemetry_removed')
      .values({ device_id: deviceId, removed_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  async unmarkRemoved(deviceId: string, tx: Tx): Promise<void> {
    await tx.deleteFrom('telemetry_removed').where('device_id', '=', deviceId).execute();
  }

  async isRemoved(deviceId: string, tx: Tx): Promise<boolean> {
    const row = await tx
      .selectFrom('telemetry_removed')
      .select('device_id')
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** A removed device that may still have rows. */
  async firstRemoved(): Promise<string | undefined> {
    const row = await this.#database
      .selectFrom('telemetry_removed')
      .select('device_id')
      .limit(1)
      .executeTakeFirst();
    return row?.device_id;
  }

  /** Removes the streams and at most `rowsMax` buckets of a device; returns how many buckets were removed. */
  async removeDevice(deviceId: string, rowsMax: number, tx: Tx): Promise<number> {
    await tx.deleteFrom('telemetry_stream').where('device_id', '=', deviceId).execute();
    const { rows } = await sql<{ device_id: string }>`
      delete from telemetry_bucket where (model, version, bucket_at, device_id) in (
        select model, version, bucket_at, device_id from telemetry_bucket
        where device_id = ${deviceId} limit ${rowsMax})
      returning device_id`.execute(tx);
    return rows.length;
  }

  /** Buckets in order of time, page by page. */
  async *oldest(): AsyncGenerator<OldBucket> {
    let after = { bucket_at: Number.MIN_SAFE_INTEGER, row: 0 };
    for (;;) {
      const { rows } = await sql<{ bucket_at: number; row: number; bytes: number }>`
        select bucket_at, rowid as row, length(body) as bytes from telemetry_bucket
        where (bucket_at, rowid) > (${after.bucket_at}, ${after.row})
        order by bucket_at, rowid limit ${PAGE_ROWS}`.execute(this.#database);
      for (const row of rows) yield toOld(row);
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)!;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Removes at most `rowsMax` buckets that start before `beforeMs`, oldest first. */
  async removeBefore(beforeMs: number, rowsMax: number): Promise<OldBucket[]> {
    const { rows } = await sql<RemovedRow>`
      delete from telemetry_bucket where rowid in (
        select rowid from telemetry_bucket where bucket_at < ${beforeMs} order by bucket_at limit ${rowsMax})
      returning bucket_at, length(body) as bytes`.execute(this.#database);
    return rows.map(toOld);
  }

  /** Removes the oldest buckets, as many as take `bytes` together and at most `rowsMax`. */
  async removeOldest(bytes: number, rowsMax: number): Promise<OldBucket[]> {
    const { rows } = await sql<RemovedRow>`
      delete from telemetry_bucket where rowid in (
        select row from (
          select rowid as row, sum(length(body) + ${sql.lit(bucketRowBytes)})
            over (order by bucket_at, rowid rows between unbounded preceding and 1 preceding) as before
          from (select rowid, bucket_at, body from telemetry_bucket order by bucket_at, rowid limit ${rowsMax}))
        where coalesce(before, 0) < ${bytes})
      returning bucket_at, length(body) as bytes`.execute(this.#database);
    return rows.map(toOld).sort((a, b) => a.bucketAt - b.bucketAt);
  }
}

interface RemovedRow {
  readonly bucket_at: number;
  readonly bytes: number;
}

/** The size of a bucket beside its body, as the triggers that keep the sum count it. */
const bucketRowBytes = 300;

function toOld({ bucket_at, bytes }: RemovedRow): OldBucket {
  return { bucketAt: bucket_at, bytes: bytes + bucketRowBytes };
}

/** A stream key as one text; ids have no spaces. */
export function streamText({ deviceId, stream }: StreamKey): string {
  return `${deviceId} ${stream}`;
}

/** A bucket key as one text; no part has a space. */
export function bucketText({ deviceId, model, version, bucketAt }: BucketKey): string {
  return `${deviceId} ${model} ${version} ${bucketAt}`;
}

function fromRow(row: Selectable<Tables['telemetry_bucket']>): Bucket {
  return {
    deviceId: row.device_id,
    model: row.model,
    version: row.version,
    bucketAt: row.bucket_at,
    body: row.body,
  };
}
