/** What was merged already of each stream of windows, and the devices that were removed and whose telemetry has not all left. */

import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export interface StreamKey {
  readonly deviceId: string;
  readonly stream: string;
}

type Tx = Transaction<Tables>;

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

  /** The device was removed from the hub: what there is of it counts for nothing. */
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

  async removeStreams(deviceId: string, tx: Tx): Promise<void> {
    await tx.deleteFrom('telemetry_stream').where('device_id', '=', deviceId).execute();
  }
}

/** A stream key as one text; ids have no spaces. */
export function streamText({ deviceId, stream }: StreamKey): string {
  return `${deviceId} ${stream}`;
}
