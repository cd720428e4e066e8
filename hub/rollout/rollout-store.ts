/**
 * The rows of rollouts and their verdicts; rollout-device-store.ts has those of their devices. All that the engine knows is in
 * these two: nothing is kept in memory alone.
 */

import { type Selectable, sql, type Transaction } from 'kysely';
import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import type { RolloutStatus, Verdict } from '../../shared/api/rollouts.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';
import type { RolloutDevice } from './device-progress.ts';
import { type GateInputs, gatesVersion, type Judgement, type Reason } from './gates.ts';
import { parsePlan } from './rollout-plan.ts';
import type { Ending, RolloutView } from './rollout-planner.ts';

type Connection = Database | Transaction<Tables>;
type RolloutRow = Selectable<Tables['rollout']>;

/** The `state` column. */
export interface RolloutProgress {
  readonly phase: number;
  readonly startedAt: number | null;
  readonly phaseStartedAt: number | null;
  readonly endedAt: number | null;
  readonly ending: Ending | null;
  /** Why it is in its status: the reason given with the last action. */
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
  /** Version of the rules it was judged by; `judge` gives the same verdict again where that is `gatesVersion`. */
  readonly gates: number;
  readonly inputs: GateInputs;
}

export interface RolloutFilter {
  readonly model?: string;
  readonly group?: string;
  readonly status?: RolloutStatus;
  /** Newest first when absent. */
  readonly position?: Position;
  readonly limit: number;
}

const newestFirst: Position = { columns: ['created_at', 'id'], isDescending: true };

export class RolloutStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  async insert(record: RolloutRecord, tx: Transaction<Tables>): Promise<void> {
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
  }

  async find(id: string, connection: Connection = this.#database): Promise<RolloutRecord | undefined> {
    const row = await connection.selectFrom('rollout').selectAll().where('id', '=', id).executeTakeFirst();
    return row && toRecord(row);
  }

  async list({
    model,
    group,
    status,
    position = newestFirst,
    limit,
  }: RolloutFilter): Promise<RolloutRecord[]> {
    let query = this.#database.selectFrom('rollout').selectAll().limit(limit);
    if (model !== undefined) query = query.where('model', '=', model);
    if (group !== undefined) query = query.where(sql`json_extract(plan, '$.group')`, '=', group);
    if (status !== undefined) query = query.where('status', '=', status);
    return (await inOrder(query, position).execute()).map(toRecord);
  }

  /** A rollout that is not over and offers the version, or may roll a device back to it. */
  async naming(
    { model, version }: { readonly model: string; readonly version: string },
    connection: Connection = this.#database,
  ): Promise<string | undefined> {
    const row = await connection
      .selectFrom('rollout')
      .select('id')
      .where('model', '=', model)
      .where('status', 'not in', ['completed', 'aborted', 'rolled-back'])
      .where((where) =>
        where.or([
          where('version', '=', version),
          where.exists(
            where
              .selectFrom('rollout_device')
              .select('device_id')
              .whereRef('rollout_device.rollout_id', '=', 'rollout.id')
              .where('previous_version', '=', version),
          ),
        ]),
      )
      .limit(1)
      .executeTakeFirst();
    return row?.id;
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
                    inner(sql`json_extract(rollout.state, '$.ending')`, '=', 'revert'),
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

  /** Status of each of these rollouts that exists. */
  async statuses(ids: readonly string[], tx: Transaction<Tables>): Promise<Map<string, RolloutStatus>> {
    if (ids.length === 0) return new Map();
    const rows = await tx.selectFrom('rollout').select(['id', 'status']).where('id', 'in', ids).execute();
    return new Map(rows.map((row) => [row.id, row.status as RolloutStatus]));
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

  /** The oldest beyond `limits.rolloutVerdictsKeptMax` are deleted. */
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
        inputs: JSON.stringify({ gates: gatesVersion, ...inputs }),
      })
      .execute();
    // Gates whose verdict alternates add one at each evaluation.
    await tx
      .deleteFrom('rollout_verdict')
      .where('rollout_id', '=', rolloutId)
      .where('number', '<=', (eb) =>
        eb
          .selectFrom('rollout_verdict')
          .select('number')
          .where('rollout_id', '=', rolloutId)
          .orderBy('number', 'desc')
          .offset(limits.rolloutVerdictsKeptMax)
          .limit(1),
      )
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
      ...storedInputs(row.inputs),
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

/** The planner's input. */
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

/** Inputs from before rules had versions are of the first. */
function storedInputs(text: string): Pick<StoredVerdict, 'gates' | 'inputs'> {
  const { gates = 1, ...inputs } = JSON.parse(text) as GateInputs & { readonly gates?: number };
  return { gates, inputs };
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
