/**
 * Telemetry by device and hour, and rollups over devices that are kept with each report. What older hubs stored in buckets moves over
 * after the start, some rows at a time (telemetry/older-buckets.ts).
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** What a row takes beside its body: its keys, twice, and the entries of its indexes. */
const ROW_BYTES = 300;

function sizeTriggers(table: string): string[] {
  return [
    `create trigger ${table}_added after insert on ${table} begin
       update telemetry_size set bytes = bytes + length(new.body) + ${ROW_BYTES}; end`,
    `create trigger ${table}_changed after update of body on ${table} begin
       update telemetry_size set bytes = bytes + length(new.body) - length(old.body); end`,
    `create trigger ${table}_removed after delete on ${table} begin
       update telemetry_size set bytes = bytes - length(old.body) - ${ROW_BYTES}; end`,
  ];
}

const statements = [
  `drop index telemetry_bucket_fine`,
  `create table telemetry_device_hour (
     device_id text not null, model text not null, version text not null, hour_at integer not null,
     rollout_id text not null, arm text not null, segment text not null, device_group text not null,
     severity integer not null, body blob not null,
     primary key (model, version, hour_at, device_id, rollout_id, arm, segment, device_group)) strict`,
  `create index telemetry_device_hour_by_time on telemetry_device_hour (hour_at)`,
  `create index telemetry_device_hour_by_device on telemetry_device_hour (device_id, model, version, hour_at)`,
  `create table telemetry_rollup (
     model text not null, version text not null, span_ms integer not null, span_at integer not null,
     rollout_id text not null, arm text not null, segment text not null, device_group text not null, body blob not null,
     primary key (model, version, span_ms, span_at, rollout_id, arm, segment, device_group)) strict`,
  `create index telemetry_rollup_by_time on telemetry_rollup (span_ms, span_at)`,
  `create table telemetry_activity (
     model text not null, version text not null, device_id text not null, device_group text not null,
     first_at integer not null, last_at integer not null,
     severity integer not null, score real not null, judged_at integer not null,
     primary key (model, version, device_id)) strict, without rowid`,
  `create index telemetry_activity_by_time on telemetry_activity (last_at)`,
  `create index telemetry_activity_by_device on telemetry_activity (device_id)`,
  ...sizeTriggers('telemetry_device_hour'),
  ...sizeTriggers('telemetry_rollup'),
];
