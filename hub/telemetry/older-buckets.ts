/**
 * Buckets that hubs before rollups stored: one device, one version, some minutes or an hour. They move into device hours and rollups
 * after the start, some at a time, each in the transaction that removes it.
 */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import type { Addition, RollupWriter } from './rollups/rollup-writer.ts';
import { decodeSums } from './sums-encoding.ts';

const ROWS_PER_PASS = 100;

export interface OlderBucketsProps {
  readonly database: Database;
  readonly rollups: Pick<RollupWriter, 'add'>;
  readonly fleet: {
    groupsOf(deviceIds: readonly string[], tx: Transaction<Tables>): Promise<ReadonlyMap<string, string>>;
  };
  readonly logger: Logger;
}

export class OlderBuckets {
  readonly #props: OlderBucketsProps;

  constructor(props: OlderBucketsProps) {
    this.#props = props;
  }

  /** Moves a bounded number; returns how many have left. */
  async pass(): Promise<number> {
    const { database, rollups, fleet } = this.#props;
    return database.transaction().execute(async (tx) => {
      const { rows } = await sql<Selectable<Tables['telemetry_bucket']>>`
        delete from telemetry_bucket where rowid in (select rowid from telemetry_bucket limit ${ROWS_PER_PASS})
        returning *`.execute(tx);
      // Those of removed devices count for nothing.
      const groups = await fleet.groupsOf([...new Set(rows.map((row) => row.device_id))], tx);
      const additions = rows.flatMap((row): Addition[] => {
        const group = groups.get(row.device_id);
        const figures = this.#read(row);
        if (group === undefined || figures === undefined) return [];
        const { model, version } = row;
        const cell = { rolloutId: '', arm: 'rest', segment: '', group } as const;
        const at = row.bucket_at;
        return [{ deviceId: row.device_id, model, version, cell, at, figures, profile: undefined }];
      });
      await rollups.add(tx, additions);
      return rows.length;
    });
  }

  /** Removes at most `rowsMax` of a device; returns how many have left. */
  async removeDevice(deviceId: string, rowsMax: number, tx: Transaction<Tables>): Promise<number> {
    const { rows } = await sql`
      delete from telemetry_bucket where rowid in (
        select rowid from telemetry_bucket where device_id = ${deviceId} limit ${rowsMax})
      returning device_id`.execute(tx);
    return rows.length;
  }

  #read({ body, ...key }: Selectable<Tables['telemetry_bucket']>) {
    try {
      return decodeSums(body);
    } catch (error) {
      this.#props.logger.error({ ...key, err: error }, 'a telemetry bucket is unreadable and left out');
      return undefined;
    }
  }
}
