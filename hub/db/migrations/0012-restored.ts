/**
 * After a restore what a device should run is as of the backup: `unconfirmed` is 1 until the device has said that it runs that.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table desired_model add column unconfirmed integer not null default 0`.execute(db);
  await sql`create index desired_model_unconfirmed on desired_model (device_id) where unconfirmed = 1`.execute(
    db,
  );
}
