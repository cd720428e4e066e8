/** Orders and filters of the lists of devices, versions and rollouts' devices, each by an index. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `drop index device_by_group`,
  `create index device_by_group on device (device_group, id) where revoked_at is null`,
  `create index device_by_enrolment on device (enrolled_at, id) where revoked_at is null`,
  `create index device_by_group_and_enrolment on device (device_group, enrolled_at, id) where revoked_at is null`,
  `create index desired_model_by_model on desired_model (model, device_id) where unconfirmed = 0`,
  `create index desired_model_by_version on desired_model (model, version, device_id) where unconfirmed = 0`,
  `create index rollout_device_by_ordinal on rollout_device (rollout_id, ordinal)`,
  // With `assigned` in it, what an ended rollout has yet to revert is not looked for in the order of all its devices.
  `drop index rollout_device_assigned`,
  `create index rollout_device_assigned on rollout_device (rollout_id, assigned, status) where assigned = 1`,
  `create index version_by_publication on version (model, published_at, release)`,
];
