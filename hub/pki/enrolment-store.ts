/** Rows of `enrolment`: the last one of each device. They end with their join token, and with their device. */
import type { Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

export type EnrolmentRow = Tables['enrolment'];

export class EnrolmentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  find(deviceId: string): Promise<EnrolmentRow | undefined> {
    return this.#database
      .selectFrom('enrolment')
      .selectAll()
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
  }

  async forget(deviceId: string, tx: Transaction<Tables>): Promise<void> {
    await tx.deleteFrom('enrolment').where('device_id', '=', deviceId).execute();
  }

  /** Replaces the device's earlier one. */
  async keep(row: EnrolmentRow, tx: Transaction<Tables>): Promise<void> {
    const { device_id: _, ...fresh } = row;
    await tx
      .insertInto('enrolment')
      .values(row)
      .onConflict((conflict) => conflict.column('device_id').doUpdateSet(fresh))
      .execute();
  }
}
