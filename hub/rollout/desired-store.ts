/** The rows of desired state: what each device should run, and the last statement that was signed for it. */
import type { Selectable, Transaction } from 'kysely';
import { limits } from '../../shared/base/limits.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export type DesiredModelRow = Selectable<Tables['desired_model']>;
type DesiredModel = Omit<DesiredModelRow, 'unconfirmed'>;
export type StatementRow = Selectable<Tables['desired_statement']>;
type Connection = Database | Transaction<Tables>;

const BASE_KEY = 'sequence_base';
/** SQLite accepts 32 766 parameters per statement; batches gain nothing more far below that. */
const ID_BATCH = 500;

export class DesiredStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  async models(deviceId: string, tx?: Transaction<Tables>): Promise<DesiredModelRow[]> {
    return (tx ?? this.#database)
      .selectFrom('desired_model')
      .selectAll()
      .where('device_id', '=', deviceId)
      .where('unconfirmed', '=', 0)
      .orderBy('model')
      .execute();
  }

  /** Desired rows of one model, by device. */
  async ofModel(
    model: string,
    deviceIds: readonly string[],
    tx?: Transaction<Tables>,
  ): Promise<Map<string, DesiredModelRow>> {
    const rows = new Map<string, DesiredModelRow>();
    for (let at = 0; at < deviceIds.length; at += ID_BATCH) {
      const batch = await (tx ?? this.#database)
        .selectFrom('desired_model')
        .selectAll()
        .where('model', '=', model)
        .where('unconfirmed', '=', 0)
        .where('device_id', 'in', deviceIds.slice(at, at + ID_BATCH))
        .execute();
      for (const row of batch) rows.set(row.device_id, row);
    }
    return rows;
  }

  /** Number of desired rows of other models, by device; devices with none are absent. */
  async modelsBeside(
    model: string,
    deviceIds: readonly string[],
    tx?: Transaction<Tables>,
  ): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (let at = 0; at < deviceIds.length; at += ID_BATCH) {
      const batch = await (tx ?? this.#database)
        .selectFrom('desired_model')
        .select(({ fn }) => ['device_id', fn.countAll<number>().as('models')])
        .where('model', '<>', model)
        .where('unconfirmed', '=', 0)
        .where('device_id', 'in', deviceIds.slice(at, at + ID_BATCH))
        .groupBy('device_id')
        .execute();
      for (const row of batch) counts.set(row.device_id, Number(row.models));
    }
    return counts;
  }

  /** A device that is to run the version, or was before a restore. */
  async wanting(
    manifestSha256: string,
    connection: Connection = this.#database,
  ): Promise<string | undefined> {
    const row = await connection
      .selectFrom('desired_model')
      .select('device_id')
      .where('manifest_sha256', '=', manifestSha256)
      .limit(1)
      .executeTakeFirst();
    return row?.device_id;
  }

  async setModel(model: DesiredModel, tx: Transaction<Tables>): Promise<void> {
    const row: DesiredModelRow = { ...model, unconfirmed: 0 };
    await tx
      .insertInto('desired_model')
      .values(row)
      .onConflict((conflict) => conflict.columns(['device_id', 'model']).doUpdateSet(row))
      .execute();
  }

  /**
   * From now on statements name nothing for the device, or for every device, until the device has reported that it runs it; and
   * no model is to be removed any more: the device may have done so and have been assigned the model again since.
   */
  async unconfirm(deviceId: string | undefined, tx: Transaction<Tables>): Promise<void> {
    let query = tx.updateTable('desired_model').set({ unconfirmed: 1 });
    let orders = tx.deleteFrom('desired_unassigned');
    if (deviceId !== undefined) {
      query = query.where('device_id', '=', deviceId);
      orders = orders.where('device_id', '=', deviceId);
    }
    await query.execute();
    await orders.execute();
  }

  /** Every statement is due to be signed again. */
  async expireStatements(tx: Transaction<Tables>): Promise<void> {
    await tx.updateTable('desired_statement').set({ issued_at: 0 }).execute();
  }

  /** Devices of which something is unconfirmed. */
  async unconfirmedDevices(tx: Transaction<Tables>): Promise<string[]> {
    const rows = await tx
      .selectFrom('desired_model')
      .select('device_id')
      .distinct()
      .where('unconfirmed', '=', 1)
      .execute();
    return rows.map((row) => row.device_id);
  }

  async unconfirmedModels(deviceId: string, tx: Transaction<Tables>): Promise<DesiredModelRow[]> {
    return tx
      .selectFrom('desired_model')
      .selectAll()
      .where('device_id', '=', deviceId)
      .where('unconfirmed', '=', 1)
      .execute();
  }

  /** Every sequence that is signed from now on is above this number; 0 until a restore. */
  async sequenceBase(connection: Connection = this.#database): Promise<number> {
    const row = await connection
      .selectFrom('meta')
      .select('value')
      .where('key', '=', BASE_KEY)
      .executeTakeFirst();
    return Number(row?.value ?? 0);
  }

  async setSequenceBase(base: number, tx: Transaction<Tables>): Promise<void> {
    await tx
      .insertInto('meta')
      .values({ key: BASE_KEY, value: String(base) })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: String(base) }))
      .execute();
  }

  async removeModel(deviceId: string, model: string, tx: Transaction<Tables>): Promise<void> {
    await tx
      .deleteFrom('desired_model')
      .where('device_id', '=', deviceId)
      .where('model', '=', model)
      .execute();
  }

  /** Releases of a device, the latest first; at most as many as a statement holds. */
  async releases(
    deviceId: string,
    tx: Transaction<Tables>,
  ): Promise<Selectable<Tables['desired_release']>[]> {
    return tx
      .selectFrom('desired_release')
      .selectAll()
      .where('device_id', '=', deviceId)
      .orderBy('sequence', 'desc')
      .limit(limits.modelsPerDeviceMax)
      .execute();
  }

  /** Unassigned models that a device has not removed yet, the latest first; at most as many as a statement holds. */
  async unassigned(
    deviceId: string,
    connection: Connection = this.#database,
  ): Promise<Selectable<Tables['desired_unassigned']>[]> {
    return connection
      .selectFrom('desired_unassigned')
      .selectAll()
      .where('device_id', '=', deviceId)
      .orderBy('sequence', 'desc')
      .limit(limits.unassignedModelsMax)
      .execute();
  }

  async setUnassigned(row: Tables['desired_unassigned'], tx: Transaction<Tables>): Promise<void> {
    await tx
      .insertInto('desired_unassigned')
      .values(row)
      .onConflict((conflict) => conflict.columns(['device_id', 'model']).doUpdateSet(row))
      .execute();
  }

  /** The device has removed these models, or is to have them again. */
  async endUnassigned(
    deviceId: string,
    models: readonly string[],
    connection: Connection = this.#database,
  ): Promise<void> {
    await connection
      .deleteFrom('desired_unassigned')
      .where('device_id', '=', deviceId)
      .where('model', 'in', models)
      .execute();
  }

  /** Of these devices, those that `model` was unassigned from and that have not removed it yet. */
  async unassignedOf(
    model: string,
    deviceIds: readonly string[],
    tx: Transaction<Tables>,
  ): Promise<ReadonlySet<string>> {
    const rows = await tx
      .selectFrom('desired_unassigned')
      .select('device_id')
      .where('model', '=', model)
      .where('device_id', 'in', deviceIds)
      .execute();
    return new Set(rows.map((row) => row.device_id));
  }

  async setRelease(row: Tables['desired_release'], tx: Transaction<Tables>): Promise<void> {
    await tx
      .insertInto('desired_release')
      .values(row)
      .onConflict((conflict) => conflict.columns(['device_id', 'model']).doUpdateSet(row))
      .execute();
  }

  async statement(
    deviceId: string,
    connection: Connection = this.#database,
  ): Promise<StatementRow | undefined> {
    return connection
      .selectFrom('desired_statement')
      .selectAll()
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
  }

  async setStatement(row: StatementRow, tx: Transaction<Tables>): Promise<void> {
    await tx
      .insertInto('desired_statement')
      .values(row)
      .onConflict((conflict) => conflict.column('device_id').doUpdateSet(row))
      .execute();
  }

  /** Keeps only the sequence of a removed device: an empty statement, which is not signed. */
  async forget(deviceId: string, tx: Transaction<Tables>): Promise<void> {
    await tx.deleteFrom('desired_model').where('device_id', '=', deviceId).execute();
    await tx.deleteFrom('desired_release').where('device_id', '=', deviceId).execute();
    await tx.deleteFrom('desired_unassigned').where('device_id', '=', deviceId).execute();
    await tx
      .updateTable('desired_statement')
      .set({ envelope: '' })
      .where('device_id', '=', deviceId)
      .execute();
  }

  /** Deletes the last sequences of devices that were removed long ago; returns the highest of them, 0 when there was none. */
  async forgetSequences(deviceIds: readonly string[], tx: Transaction<Tables>): Promise<number> {
    const rows = await tx
      .deleteFrom('desired_statement')
      .where('device_id', 'in', deviceIds)
      .returning('sequence')
      .execute();
    return rows.reduce((highest, { sequence }) => Math.max(highest, sequence), 0);
  }

  /** Devices with a statement, by id, after `after`; only those issued before or after the given times. */
  async stated(options: {
    readonly after: string;
    readonly limit: number;
    readonly issued?: { readonly before: number; readonly after: number };
  }): Promise<string[]> {
    let query = this.#database
      .selectFrom('desired_statement')
      .select('device_id')
      .where('device_id', '>', options.after)
      .where('envelope', '<>', '')
      .orderBy('device_id')
      .limit(options.limit);
    const { issued } = options;
    if (issued) {
      query = query.where((where) =>
        where.or([where('issued_at', '<', issued.before), where('issued_at', '>', issued.after)]),
      );
    }
    return (await query.execute()).map((row) => row.device_id);
  }
}
