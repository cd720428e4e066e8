/** Corrects the times of rollouts after the hub's clock was ahead (see hub/clock/clock-guard.ts). */
import { sql } from 'kysely';
import type { Database } from '../db/database.ts';

/** Times that have not come yet, stored while the clock was ahead, become `now`. Returns in how many rows. */
export async function clampFutureRolloutTimes(database: Database, now: number): Promise<number> {
  const columns = ['offered_at', 'changed_at', 'last_reported_at', 'reverted_at', 'tried_at'] as const;
  let rows = 0;
  for (const column of columns) {
    const { numUpdatedRows } = await database
      .updateTable('rollout_device')
      .set({ [column]: now })
      .where(column, '>', now)
      .executeTakeFirst();
    rows += Number(numUpdatedRows);
  }
  for (const time of ['startedAt', 'phaseStartedAt', 'endedAt']) {
    const path = `$.${time}`;
    const { numUpdatedRows } = await database
      .updateTable('rollout')
      .set({ state: sql`json_set(state, ${path}, ${now})` })
      .where(sql`json_extract(state, ${path})`, '>', now)
      .executeTakeFirst();
    rows += Number(numUpdatedRows);
  }
  const { numUpdatedRows } = await database
    .updateTable('rollout')
    .set((row) => ({ created_at: sql`min(created_at, ${now})`, updated_at: row.val(now) }))
    .where('updated_at', '>', now)
    .executeTakeFirst();
  return rows + Number(numUpdatedRows);
}
