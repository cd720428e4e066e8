/** Objectives that were set, by model and group. */
import type { Transaction } from 'kysely';
import { Objectives } from '../../shared/api/slos.ts';
import { parser } from '../../shared/base/parse.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import type { SloScope } from './slo-scope.ts';

const parseObjectives = parser(Objectives, 'stored objectives');

export class ObjectiveStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#database.transaction().execute(work);
  }

  async find({ model, group = '' }: SloScope): Promise<Objectives | undefined> {
    const row = await this.#database
      .selectFrom('objective')
      .select('body')
      .where('model', '=', model)
      .where('device_group', '=', group)
      .executeTakeFirst();
    return row && parseObjectives(JSON.parse(row.body));
  }

  async set(
    { model, group = '' }: SloScope,
    objectives: Objectives,
    now: number,
    tx: Transaction<Tables>,
  ): Promise<void> {
    const body = JSON.stringify(objectives);
    await tx
      .insertInto('objective')
      .values({ model, device_group: group, body, set_at: now })
      .onConflict((conflict) =>
        conflict.columns(['model', 'device_group']).doUpdateSet({ body, set_at: now }),
      )
      .execute();
  }

  /** False when none were set. */
  async remove({ model, group = '' }: SloScope, tx: Transaction<Tables>): Promise<boolean> {
    const { numDeletedRows } = await tx
      .deleteFrom('objective')
      .where('model', '=', model)
      .where('device_group', '=', group)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** Everything that has some. */
  async scopes(): Promise<SloScope[]> {
    const rows = await this.#database.selectFrom('objective').select(['model', 'device_group']).execute();
    return rows.map(({ model, device_group: group }) => (group === '' ? { model } : { model, group }));
  }
}
