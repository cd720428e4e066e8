/** The rows of rollouts, their devices and their verdicts. All that the engine knows is here: nothing lives in memory alone. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import type { CohortMember } from './cohort.ts';
import type { BackOutcome, RolloutDevice, StoredStatus } from './device-progress.ts';
import type { GateInputs, Judgement, Reason, Verdict } from './gates.ts';
import type { RolloutStatus } from './rollout-machine.ts';
import { parsePlan, type RolloutPlan } from './rollout-plan.ts';
import type { Ending, RolloutView } from './rollout-planner.ts';

type Connection = Database | Transaction<Tables>;
type DeviceRow = Selectable<Tables['rollout_device']>;
type RolloutRow = Selectable<Tables['rollout']>;

/** The `state` column. */
export interface RolloutProgress {
  readonly phase: number;
  readonly startedAt: number | null;
  readonly phaseStartedAt: number | null;
  readonly endedAt: number | null;
  readonly ending: Ending | null;
  /** Why it is in its status: the reason given with the last act. */
  readonly reason: string | null;
  /** Verdict and reason codes last stored, so that only changes are. */
  readonly verdictKey: string | null;
}

export interface RolloutRecord {
  readonly id: string;
  readonly plan: RolloutPlan;
  readonly status: RolloutStatus;
  readonly progress: RolloutProgress;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly updatedAt: number;
}

export interface StoredVerdict {
  readonly number: number;
  readonly at: number;
  readonly phase: number;
  readonly verdict: Verdict;
  readonly reasons: readonly Reason[];
  readonly inputs: GateInputs;
}

export interface RolloutFilter {
  readonly model?: string;
  readonly group?: string;
  readonly status?: RolloutStatus;
  /** Those that stand after it: older ones. */
  readonly after?: { readonly createdAt: number; readonly id: string };
  readonly limit: number;
}

const INSERT_BATCH = 500;

export class RolloutStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  async insert(
    record: RolloutRecord,
    members: readonly CohortMember[],
    tx: Transaction<Tables>,
  ): Promise<void> {
    await tx
      .insertInto('rollout')
      .values({
        id: record.id,
        model: record.plan.model,
        version: record.plan.version,
        plan: JSON.stringify(record.plan),
        state: JSON.stringify(record.progress),
        status: record.status,
        created_at: record.createdAt,
        created_by: record.createdBy,
        updated_at: record.updatedAt,
      })
      .execute();
    const rows = members.map(
      (member): DeviceRow => ({
        rollout_id: record.id,
        device_id: member.deviceId,
        ordinal: member.ordinal,
        status: 'pending',
        assigned: 0,
        sequence: null,
        previous_version: null,
        offered_at: null,
        changed_at: record.createdAt,
        last_word_at: null,
        back_at: null,
        back_as: null,
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

  async find(id: string, connection: Connection = this.#database): Promise<RolloutRecord | undefined> {
    const row = await connection.selectFrom('rollout').selectAll().where('id', '=', id).executeTakeFirst();
    return row && toRecord(row);
  }

  /** Newest first. */
  async list({ model, group, status, after, limit }: RolloutFilter): Promise<RolloutRecord[]> {
    let query = this.#database
      .selectFrom('rollout')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit);
    if (model !== undefined) query = query.where('model', '=', model);
    if (group !== undefined) query = query.where(sql`json_extract(plan, '$.group')`, '=', group);
    if (status !== undefined) query = query.where('status', '=', status);
    if (after !== undefined) {
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('created_at', 'id'), '<', tuple(after.createdAt, after.id)),
      );
    }
    return (await query.execute()).map(toRecord);
  }

  /** Ids of rollouts for which time or the engine has something left to do. */
  async unfinished(): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('rollout')
      .select('id')
      .where((where) =>
        where.or([
          where('status', 'in', ['scheduled', 'running', 'paused', 'rolling-back']),
          where.and([
            where('status', '=', 'aborted'),
            where.exists(
              where
                .selectFrom('rollout_device')
                .select('device_id')
                .whereRef('rollout_device.rollout_id', '=', 'rollout.id')
                .where('assigned', '=', 1)
                .where((inner) =>
                  inner.or([
                    inner('rollout_device.status', 'not in', ['trial', 'succeeded']),
                    inner(sql`json_extract(rollout.state, '$.ending')`, '=', 'back'),
                  ]),
                ),
            ),
          ]),
        ]),
      )
      .orderBy('created_at')
      .execute();
    return rows.map((row) => row.id);
  }

  async devices(rolloutId: string): Promise<RolloutDevice[]> {
    const rows = await this.#database
      .selectFrom('rollout_device')
      .selectAll()
      .where('rollout_id', '=', rolloutId)
      .orderBy('ordinal')
      .execute();
    return rows.map(toDevice);
  }

  async devicesOf(
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

  async device(
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

  /** Id of the last rollout that offered a version of `model` to the device: the one its reports tell of. */
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

  /** The ended or ending rollouts that took a version back from the device and await its word. */
  async awaitingBack(
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
      .where('back_at', 'is', null)
      .execute();
    return rows.map((row) => ({ rolloutId: row.id, model: row.model }));
  }

  /** Status of each of these rollouts that exists. */
  async statuses(ids: readonly string[], tx: Transaction<Tables>): Promise<Map<string, RolloutStatus>> {
    if (ids.length === 0) return new Map();
    const rows = await tx.selectFrom('rollout').select(['id', 'status']).where('id', 'in', ids).execute();
    return new Map(rows.map((row) => [row.id, row.status as RolloutStatus]));
  }

  /** Rollouts of `model` that have not ended, or still have versions to take back, with the devices they hold. */
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
            where(sql`json_extract(rollout.state, '$.ending')`, '=', 'back'),
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

  /** The device was removed from the hub: no rollout counts it, or takes anything back from it, any more. */
  async removeDevice(deviceId: string, now: number, tx: Transaction<Tables>): Promise<void> {
    await tx
      .updateTable('rollout_device')
      .set({ removed_at: now, assigned: 0 })
      .where('device_id', '=', deviceId)
      .where('removed_at', 'is', null)
      .execute();
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

  /** What the hub could not tell its devices is no longer to be told, or is to be tried again at once. */
  async forgetTries(rolloutId: string, tx: Transaction<Tables>): Promise<void> {
    const tried = tx
      .updateTable('rollout_device')
      .where('rollout_id', '=', rolloutId)
      .where('tried_at', 'is not', null);
    await tried.where('assigned', '=', 1).set({ tried_at: null, fault: null }).execute();
    await tried.set({ tried_at: null }).execute();
  }

  /** A device that was removed meanwhile stays as it was then. */
  async saveDevice(
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
        last_word_at: device.lastWordAt,
        back_at: device.backAt,
        back_as: device.backAs,
        tried_at: device.triedAt,
        fault: device.fault === null ? null : JSON.stringify(device.fault),
      })
      .where('rollout_id', '=', rolloutId)
      .where('device_id', '=', device.deviceId)
      .where('removed_at', 'is', null)
      .execute();
  }

  async saveProgress(
    id: string,
    values: { readonly status: RolloutStatus; readonly progress: RolloutProgress; readonly now: number },
    tx: Transaction<Tables>,
  ): Promise<void> {
    await tx
      .updateTable('rollout')
      .set({ status: values.status, state: JSON.stringify(values.progress), updated_at: values.now })
      .where('id', '=', id)
      .execute();
  }

  async addVerdict(
    rolloutId: string,
    { inputs, judgement }: { readonly inputs: GateInputs; readonly judgement: Judgement },
    tx: Transaction<Tables>,
  ): Promise<void> {
    await tx
      .insertInto('rollout_verdict')
      .values({
        rollout_id: rolloutId,
        at: inputs.now,
        phase: inputs.phase,
        verdict: judgement.verdict,
        reasons: JSON.stringify(judgement.reasons),
        inputs: JSON.stringify(inputs),
      })
      .execute();
  }

  /** Newest first. */
  async verdicts(rolloutId: string, limit: number): Promise<StoredVerdict[]> {
    const rows = await this.#database
      .selectFrom('rollout_verdict')
      .selectAll()
      .where('rollout_id', '=', rolloutId)
      .orderBy('number', 'desc')
      .limit(limit)
      .execute();
    return rows.map((row) => ({
      number: row.number,
      at: row.at,
      phase: row.phase,
      verdict: row.verdict as Verdict,
      reasons: JSON.parse(row.reasons) as Reason[],
      inputs: JSON.parse(row.inputs) as GateInputs,
    }));
  }

  async countByStatus(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database
      .selectFrom('rollout')
      .select(({ fn }) => ['status', fn.countAll<number>().as('count')])
      .groupBy('status')
      .execute();
    return new Map(rows.map((row) => [row.status, Number(row.count)]));
  }
}

/** What the planner looks at. */
export function toView(record: RolloutRecord, devices: readonly RolloutDevice[]): RolloutView {
  const { phase, startedAt, phaseStartedAt, ending } = record.progress;
  return {
    id: record.id,
    plan: record.plan,
    status: record.status,
    phase,
    createdAt: record.createdAt,
    startedAt,
    phaseStartedAt,
    ending,
    devices,
  };
}

function toRecord(row: RolloutRow): RolloutRecord {
  return {
    id: row.id,
    plan: parsePlan(JSON.parse(row.plan)),
    status: row.status as RolloutStatus,
    progress: JSON.parse(row.state) as RolloutProgress,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
  };
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
    lastWordAt: row.last_word_at,
    backAt: row.back_at,
    backAs: row.back_as as BackOutcome | null,
    triedAt: row.tried_at,
    fault: row.fault === null ? null : (JSON.parse(row.fault) as UpdateFault),
    removedAt: row.removed_at,
  };
}
