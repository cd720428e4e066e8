/** Finds the devices that were removed since a rollout began, without a walk over all that ever were. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index device_removed on device (revoked_at) where revoked_at is not null`.execute(db);
}
