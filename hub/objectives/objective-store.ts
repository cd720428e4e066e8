/** Objectives that were set, by model. */
import type { Transaction } from 'kysely';
import { Objectives } from '../../shared/api/slos.ts';
import { parser } from '../../shared/base/parse.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

const parseObjectives = parser(Objectives, 'stored objectives');

export class ObjectiveStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  async find(model: string): Promise<Objectives | undefined> {
    const row = await this.#database
      .selectFrom('objective')
      .select('body')
      .where('model', '=', model)
      .executeTakeFirst();
    return row && parseObjectives(JSON.parse(row.body));
  }

  async set(model: string, objectives: Objectives, now: number, tx: Transaction<Tables>): Promise<void> {
    const body = JSON.stringify(objectives);
    await tx
      .insertInto('objective')
      .values({ model, body, set_at: now })
      .onConflict((conflict) => conflict.column('model').doUpdateSet({ body, set_at: now }))
      .execute();
  }

  /** False when none were set. */
  async remove(model: string, tx: Transaction<Tables>): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('objective').where('model', '=', model).executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** Models that have some. */
  async models(): Promise<string[]> {
    const rows = await this.#database.selectFrom('objective').select('model').execute();
    return rows.map(({ model }) => model);
  }
}
