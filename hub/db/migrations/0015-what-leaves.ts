/**
 * Buckets in a table with row ids: without, a body of more than a quarter page takes a page of its own, whatever is left of it. And
 * what all buckets take, kept with each change, so that telemetry can leave by size. Buckets that are to become coarse are found a
 * device's hour at a time, so that the hour is written once. And indexes that find what has been kept long
 * enough without a look at the rest.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** What a bucket takes beside its body: its keys, twice, and three entries of indexes. */
const ROW_BYTES = 300;

const statements = [
  `alter table telemetry_bucket rename to telemetry_bucket_before`,
  `drop index telemetry_bucket_by_time`,
  `drop index telemetry_bucket_fine`,
  `create table telemetry_bucket (
     device_id text not null, model text not null, version text not null, bucket_at integer not null, body blob not null,
     primary key (model, version, bucket_at, device_id)) strict`,
  `insert into telemetry_bucket (device_id, model, version, bucket_at, body)
     select device_id, model, version, bucket_at, body from telemetry_bucket_before order by bucket_at`,
  `drop table telemetry_bucket_before`,
  `create index telemetry_bucket_by_time on telemetry_bucket (bucket_at)`,
  `create index telemetry_bucket_fine on telemetry_bucket (bucket_at / 3600000, device_id)
     where bucket_at % 3600000 <> 0`,
  `create table telemetry_size (id integer primary key check (id = 1), bytes integer not null) strict`,
  `insert into telemetry_size select 1, coalesce(sum(length(body) + ${ROW_BYTES}), 0) from telemetry_bucket`,
  `create trigger telemetry_bucket_added after insert on telemetry_bucket begin
     update telemetry_size set bytes = bytes + length(new.body) + ${ROW_BYTES}; end`,
  `create trigger telemetry_bucket_changed after update of body on telemetry_bucket begin
     update telemetry_size set bytes = bytes + length(new.body) - length(old.body); end`,
  `create trigger telemetry_bucket_removed after delete on telemetry_bucket begin
     update telemetry_size set bytes = bytes - length(old.body) - ${ROW_BYTES}; end`,
  `create index rollout_ended on rollout (updated_at) where status in ('completed', 'aborted', 'rolled-back')`,
  `create index desired_model_by_rollout on desired_model (rollout_id) where rollout_id is not null`,
  `create index enrolment_by_token on enrolment (join_token_id)`,
  `create index device_event_by_time on device_event (received_at)`,
  `create index device_removed on device (revoked_at) where revoked_at is not null`,
];
