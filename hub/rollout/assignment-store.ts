/**
 * Offers of one version to one device, from the rows of rollouts: whether and since when. Offers to a device that was removed
 * do not count for the one that has its id now.
 */

import { sql } from 'kysely';
import type { RolloutStatus } from '../../shared/api/rollouts.ts';
import type { Database } from '../db/database.ts';

export interface OfferedVersion {
  readonly deviceId: string;
  readonly model: string;
  readonly version: string;
}

export interface OfferOfRollout extends OfferedVersion {
  readonly rolloutId: string;
  readonly status: RolloutStatus;
  readonly offeredAt: number;
  /** Of the statement that made the offer, or reverted it. */
  readonly sequence: number | null;
}

export interface WaitingDevice {
  readonly rolloutId: string;
  readonly deviceId: string;
  readonly model: string;
}

export class AssignmentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Whether any rollout ever offered the version to the device. */
  async wasOffered({ deviceId, model, version }: OfferedVersion): Promise<boolean> {
    const row = await this.#database
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout_id')
      .select('rollout.id')
      .where('device_id', '=', deviceId)
      .where('rollout.model', '=', model)
      .where('rollout.version', '=', version)
      .where('offered_at', 'is not', null)
      .where('removed_at', 'is', null)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Rollouts under way that these devices belong to and that have not offered them their version yet. */
  async waiting(deviceIds: readonly string[]): Promise<WaitingDevice[]> {
    if (deviceIds.length === 0) return [];
    const rows = await this.#database
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout_id')
      .select(['rollout_id', 'device_id', 'rollout.model'])
      .where('device_id', 'in', sql<string>`(select value from json_each(${JSON.stringify(deviceIds)}))`)
      .where('rollout.status', 'not in', ['completed', 'aborted', 'rolled-back'])
      .where('offered_at', 'is', null)
      .where('removed_at', 'is', null)
      .execute();
    return rows.map((row) => ({
      rolloutId: row.rollout_id,
      deviceId: row.device_id,
      model: row.model,
    }));
  }

  /** Offers of these rollouts to these devices, as far as they were made. */
  async offers(
    pairs: readonly { readonly rolloutId: string; readonly deviceId: string }[],
  ): Promise<OfferOfRollout[]> {
    if (pairs.length === 0) return [];
    const wanted = sql.join(pairs.map((pair) => sql`(${pair.rolloutId}, ${pair.deviceId})`));
    const { rows } = await sql<{
      rollout_id: string;
      device_id: string;
      model: string;
      version: string;
      status: string;
      offered_at: number;
      sequence: number | null;
    }>`
      select rollout_id, device_id, rollout.model, rollout.version, rollout.status, offered_at, sequence
      from rollout_device join rollout on rollout.id = rollout_id
      where (rollout_id, device_id) in (values ${wanted}) and offered_at is not null
        and removed_at is null`.execute(this.#database);
    return rows.map((row) => ({
      rolloutId: row.rollout_id,
      deviceId: row.device_id,
      model: row.model,
      version: row.version,
      status: row.status as RolloutStatus,
      offeredAt: row.offered_at,
      sequence: row.sequence,
    }));
  }
}
