/**
 * A device that the hub could not tell something is tried again; one that was removed stays so in the rollouts it was in, and leaves no desired state behind. The place of a device in
 * its phases follows from the devices that are left. And models can be taken off a device: which, until it says that it has
 * them no more.
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
