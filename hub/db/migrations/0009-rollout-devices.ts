/**
 * Rollouts remember when the hub last failed to update a device's desired state, so that it tries again, and when a device was
 * removed. A removed device leaves no desired state behind, and which devices belong to a phase is derived from those that remain.
 * `desired_unassigned` holds the models taken off a device, until the device reports that they are gone.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table rollout_device add column removed_at integer`,
  `alter table rollout_device add column tried_at integer`,
  `alter table rollout_device drop column phase`,
  `update rollout_device set assigned = 0, removed_at =
     (select revoked_at from device where device.id = rollout_device.device_id)
   where exists (select 1 from device join rollout on rollout.id = rollout_device.rollout_id
     where device.id = rollout_device.device_id and device.revoked_at >= rollout.created_at)`,
  `delete from desired_model where device_id in (select id from device where revoked_at is not null)`,
  `delete from desired_release where device_id in (select id from device where revoked_at is not null)`,
  `update desired_statement set envelope = '' where device_id in (select id from device where revoked_at is not null)`,
  `delete from device_event where device_id in (select id from device where revoked_at is not null)`,
  `drop index device_removed`,
  `create table desired_unassigned (
     device_id text not null references device (id) on delete cascade, model text not null, sequence integer not null,
     primary key (device_id, model)) strict`,
];
