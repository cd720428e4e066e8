/** How many devices each group has, kept by triggers, and when their certificates expire: figures that no count of the fleet may cost. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const add = `insert into device_total (device_group, devices) values (new.device_group, 1)
    on conflict (device_group) do update set devices = devices + 1;`;
const subtract = `update device_total set devices = devices - 1 where device_group = old.device_group;
  delete from device_total where devices = 0;`;

const statements = [
  `create table device_total (device_group text primary key, devices integer not null) strict, without rowid`,
  `insert into device_total select device_group, count(*) from device where revoked_at is null group by device_group`,
  `create trigger device_total_added after insert on device when new.revoked_at is null begin ${add} end`,
  `create trigger device_total_removed after delete on device when old.revoked_at is null begin ${subtract} end`,
  `create trigger device_total_left after update of device_group, revoked_at on device when old.revoked_at is null begin
    ${subtract} end`,
  `create trigger device_total_joined after update of device_group, revoked_at on device when new.revoked_at is null begin
    ${add} end`,
  `create index device_by_expiry on device (certificate_expires_at) where revoked_at is null`,
];
