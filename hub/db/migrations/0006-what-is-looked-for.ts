/** Indexes for what is looked for again and again: a device's newest events, rollouts that have not ended, buckets not yet coarse. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index device_event_by_device on device_event (device_id, received_at)`.execute(db);
  await sql`create index rollout_by_status on rollout (status)`.execute(db);
  await sql`create index rollout_device_assigned on rollout_device (rollout_id, status) where assigned = 1`.execute(
    db,
  );
  await sql`create index telemetry_bucket_fine on telemetry_bucket (bucket_at)
    where bucket_at % 3600000 <> 0`.execute(db);
}
