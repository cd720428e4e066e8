/** Rollouts as the database of a hub holds them, for what only lists and shows them. */
import { join } from 'node:path';
import { type Database, openDatabase } from '../../hub/db/database.ts';
import { makePlan } from '../../hub/rollout/rollout-plan.ts';

export interface StoredRollout {
  readonly id: string;
  readonly createdAt: number;
  readonly model?: string;
  readonly group?: string;
  readonly status?: string;
  readonly startAt?: number;
}

/** Adds the rollouts, of one device that waits for its offer, to the database of a hub, which may run. */
export async function storeRollouts(data: string, rollouts: readonly StoredRollout[]): Promise<void> {
  const database = await openDatabase(join(data, 'hub.db'));
  try {
    await insertRollouts(database, rollouts);
  } finally {
    await database.destroy();
  }
}

/** As `storeRollouts`, into an open database. */
export async function insertRollouts(database: Database, rollouts: readonly StoredRollout[]): Promise<void> {
  for (const { id, createdAt, model = 'm', group, status = 'completed', startAt } of rollouts) {
    const plan = makePlan({ model, version: '1.0.0', group, startAt, phases: [{ percent: 100 }] });
    const progress = {
      phase: 0,
      startedAt: null,
      phaseStartedAt: null,
      endedAt: null,
      ending: null,
      reason: null,
      verdictKey: null,
    };
    await database
      .insertInto('rollout')
      .values({
        id,
        model,
        version: '1.0.0',
        plan: JSON.stringify(plan),
        state: JSON.stringify(progress),
        status,
        created_at: createdAt,
        created_by: 'token:test',
        updated_at: createdAt,
      })
      .execute();
    await database
      .insertInto('rollout_device')
      .values({
        rollout_id: id,
        device_id: 'd0',
        ordinal: 0,
        status: 'pending',
        assigned: 0,
        changed_at: createdAt,
      })
      .execute();
  }
}
