/** The rows of rollouts' devices: how far each is, and which rollouts hold it. */

import { type Selectable, sql, type Transaction } from 'kysely';
import type { RevertOutcome, StoredStatus } from '../../shared/api/rollouts.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';
import type { CohortMember } from './cohort.ts';
import type { RolloutDevice } from './device-progress.ts';

type Connection = Database | Transaction<Tables>;
type DeviceRow = Selectable<Tables['rollout_device']>;

const INSERT_BATCH = 500;

export class RolloutDeviceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async insert(
    rolloutId: string,
    members: readonly CohortMember[],
    now: number,
    tx: Transaction<Tables>,
  ): Promise<void> {
    const rows = members.map(
      (member): DeviceRow => ({
        rollout_id: rolloutId,
        device_id: member.deviceId,
        ordinal: member.ordinal,
        status: 'pending',
        assigned: 0,
        sequence: null,
        previous_version: null,
        offered_at: null,
        changed_at: now,
        last_reported_at: null,
        reverted_at: null,
        revert_outcome: null,
        tried_at: null,
        fault: null,
        removed_at: null,
      }),
    );
    for (let at = 0; at < rows.length; at += INSERT_BATCH) {
      await tx
        .insertInto('rollout_device')
        .values(rows.slice(at, at + INSERT_BATCH))
        .execute();
    }
  }

  async list(rolloutId: string): Promise<RolloutDevice[]> {
    const rows = await this.#database
      .selectFrom('rollout_device')
      .selectAll()
      .where('rollout_id', '=', rolloutId)
      .orderBy('ordinal')
      .execute();
    return rows.map(toDevice);
  }

  /** Some of them, in the order of `position`. */
  async page(
    rolloutId: string,
    { position, limit }: { readonly position: Position; readonly limit: number },
  ): Promise<RolloutDevice[]> {
    const query = this.#database
      .selectFrom('rollout_device')
      .selectAll()
      .where('rollout_id', '=', rolloutId)
      .limit(limit);
    return (await inOrder(query, position).execute()).map(toDevice);
  }

  /** Of all of them, those that are still devices of the hub, and how many of these come before `ordinal`. */
  async countPresent(
    rolloutId: string,
    ordinal: number,
  ): Promise<{ readonly total: number; readonly before: number }> {
    const { total, before } = await this.#database
      .selectFrom('rollout_device')
      .select(({ fn }) => [
        fn.countAll<number>().as('total'),
        sql<number | null>`sum(ordinal < ${ordinal})`.as('before'),
      ])
      .where('rollout_id', '=', rolloutId)
      .where('removed_at', 'is', null)
      .executeTakeFirstOrThrow();
    return { total, before: before ?? 0 };
  }

  /** Those of the rollout's devices that are named. */
  async pick(
    rolloutId: string,
    deviceIds: readonly string[],
    tx: Transaction<Tables>,
  ): Promise<RolloutDevice[]> {
    if (deviceIds.length === 0) return [];
    const rows = await tx
      .selectFrom('rollout_device')
      .selectAll()
      .where('rollout_id', '=', rolloutId)
      .where('device_id', 'in', deviceIds)
      .execute();
    return rows.map(toDevice);
  }

  async find(
    rolloutId: string,
    deviceId: string,
    connection: Connection = this.#database,
  ): Promise<RolloutDevice | undefined> {
    const row = await connection
      .selectFrom('rollout_device')
      .selectAll()
      .where('rollout_id', '=', rolloutId)
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
    return row && toDevice(row);
  }

  /** Id of the last rollout that offered a version of `model` to the device: the one its reports belong to. */
  async latestOffered(deviceId: string, model: string, tx: Transaction<Tables>): Promise<string | undefined> {
    const row = await tx
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout_id')
      .select('rollout.id')
      .where('device_id', '=', deviceId)
      .where('rollout.model', '=', model)
      .where('removed_at', 'is', null)
      .where('offered_at', 'is not', null)
      .orderBy('rollout.created_at', 'desc')
      .orderBy('rollout.id', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.id;
  }

  /** The ended or ending rollouts that reverted a version on the device and await its report. */
  async awaitingRevert(
    deviceId: string,
    tx: Transaction<Tables>,
  ): Promise<{ readonly rolloutId: string; readonly model: string }[]> {
    const rows = await tx
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout_id')
      .select(['rollout.id', 'rollout.model'])
      .where('device_id', '=', deviceId)
      .where('rollout.status', 'in', ['rolling-back', 'rolled-back', 'aborted'])
      .where('removed_at', 'is', null)
      .where('offered_at', 'is not', null)
      .where('assigned', '=', 0)
      .where('reverted_at', 'is', null)
      .execute();
    return rows.map((row) => ({ rolloutId: row.id, model: row.model }));
  }

  /** Rollouts of `model` that have not ended, or still have versions to revert, with the devices they hold. */
  async holders(
    model: string,
    tx: Transaction<Tables>,
  ): Promise<{ readonly rolloutId: string; readonly status: string; readonly deviceIds: string[] }[]> {
    const rows = await tx
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout_id')
      .select(['rollout.id', 'rollout.status', 'device_id'])
      .where('rollout.model', '=', model)
      .where('removed_at', 'is', null)
      .where((where) =>
        where.or([
          where('rollout.status', 'not in', ['completed', 'aborted', 'rolled-back']),
          where.and([
            where('rollout.status', '=', 'aborted'),
            where(sql`json_extract(rollout.state, '$.ending')`, '=', 'revert'),
            where('assigned', '=', 1),
          ]),
        ]),
      )
      .execute();
    const holders = new Map<string, { rolloutId: string; status: string; deviceIds: string[] }>();
    for (const row of rows) {
      const holder = holders.get(row.id) ?? { rolloutId: row.id, status: row.status, deviceIds: [] };
      holder.deviceIds.push(row.device_id);
      holders.set(row.id, holder);
    }
    return [...holders.values()];
  }

  /** Of these devices of a rollout, those that are still devices of the hub. */
  async present(
    rolloutId: string,
    deviceIds: readonly string[],
    tx: Transaction<Tables>,
  ): Promise<ReadonlySet<string>> {
    if (deviceIds.length === 0) return new Set();
    const rows = await tx
      .selectFrom('rollout_device')
      .select('device_id')
      .where('rollout_id', '=', rolloutId)
      .where('device_id', 'in', deviceIds)
      .where('removed_at', 'is', null)
      .execute();
    return new Set(rows.map((row) => row.device_id));
  }

  /** The device was removed from the hub: no rollout counts it, or reverts anything on it, any more. */
  async remove(deviceId: string, now: number, tx: Transaction<Tables>): Promise<void> {
    await tx
      .updateTable('rollout_device')
      .set({ removed_at: now, assigned: 0 })
      .where('device_id', '=', deviceId)
      .where('removed_at', 'is', null)
      .execute();
  }

  /** Devices that a rollout of the model is updating now. */
  async updating(model: string): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('rollout')
      .innerJoin('rollout_device', 'rollout_device.rollout_id', 'rollout.id')
      .select('device_id')
      .where('rollout.model', '=', model)
      .where('rollout.status', 'in', ['running', 'paused', 'rolling-back'])
      .where('assigned', '=', 1)
      .where('rollout_device.status', 'in', ['offered', 'downloading', 'staged', 'qualifying', 'trial'])
      .execute();
    return rows.map(({ device_id }) => device_id);
  }

  /** Ids of rollouts that have not ended and that the device is, or was, one of. */
  async underWayWith(deviceId: string): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout_id')
      .select('rollout.id')
      .where('device_id', '=', deviceId)
      .where('rollout.status', 'not in', ['completed', 'aborted', 'rolled-back'])
      .execute();
    return rows.map((row) => row.id);
  }

  /** Failed statements are no longer due, or are to be retried at once. */
  async forgetTries(rolloutId: string, tx: Transaction<Tables>): Promise<void> {
    const tried = tx
      .updateTable('rollout_device')
      .where('rollout_id', '=', rolloutId)
      .where('tried_at', 'is not', null);
    await tried.where('assigned', '=', 1).set({ tried_at: null, fault: null }).execute();
    await tried.set({ tried_at: null }).execute();
  }

  /** A device that was removed meanwhile stays as it was then. */
  async save(
    rolloutId: string,
    device: RolloutDevice,
    connection: Connection = this.#database,
  ): Promise<void> {
    await connection
      .updateTable('rollout_device')
      .set({
        status: device.status,
        assigned: device.assigned ? 1 : 0,
        sequence: device.sequence,
        previous_version: device.previousVersion,
        offered_at: device.offeredAt,
        changed_at: device.changedAt,
        last_reported_at: device.lastReportedAt,
        reverted_at: device.revertedAt,
        revert_outcome: device.revertOutcome,
        tried_at: device.triedAt,
        fault: device.fault === null ? null : JSON.stringify(device.fault),
      })
      .where('rollout_id', '=', rolloutId)
      .where('device_id', '=', device.deviceId)
      .where('removed_at', 'is', null)
      .execute();
  }
}

function toDevice(row: DeviceRow): RolloutDevice {
  return {
    deviceId: row.device_id,
    ordinal: row.ordinal,
    status: row.status as StoredStatus,
    assigned: row.assigned === 1,
    sequence: row.sequence,
    previousVersion: row.previous_version,
    offeredAt: row.offered_at,
    changedAt: row.changed_at,
    lastReportedAt: row.last_reported_at,
    revertedAt: row.reverted_at,
    revertOutcome: row.revert_outcome as RevertOutcome | null,
    triedAt: row.tried_at,
    fault: row.fault === null ? null : (JSON.parse(row.fault) as RolloutDevice['fault']),
    removedAt: row.removed_at,
  };
}
