/** The first schema; the meaning of each column is in ../tables.ts. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table meta (key text primary key, value text not null) strict`,
  `create table api_token (
     name text primary key, role text not null, secret_sha256 text not null unique, created_at integer not null,
     expires_at integer, revoked_at integer, last_used_at integer) strict`,
  `create table audit_event (
     number integer primary key autoincrement, at integer not null, actor text not null, address text,
     action text not null, target text not null, details text not null, previous_hash text not null,
     hash text not null) strict`,
  `create table join_token (
     id text primary key, secret_sha256 text not null unique, device_group text not null,
     uses_left integer not null check (uses_left >= 0), uses_total integer not null, created_at integer not null,
     expires_at integer not null, revoked_at integer, created_by text not null) strict`,
  `create table device (
     id text primary key, device_group text not null, certificate_serial text not null,
     certificate_sha256 text not null, certificate_expires_at integer not null, facts text not null,
     enrolled_at integer not null, revoked_at integer, last_seen_at integer,
     reported text, reported_at integer) strict`,
  `create index device_by_group on device (device_group)`,
  `create table trust_file (
     role text not null, version integer not null, bytes blob not null, added_at integer not null,
     primary key (role, version)) strict`,
  `create table model (name text primary key, created_at integer not null) strict`,
  `create table version (
     model text not null references model (name), version text not null, release integer not null,
     manifest_sha256 text not null unique, manifest blob not null, published_at integer not null,
     published_by text not null, withdrawn_at integer, withdrawn_reason text,
     primary key (model, version), unique (model, release)) strict`,
  `create table version_chunk (
     manifest_sha256 text not null, chunk_sha256 text not null, primary key (manifest_sha256, chunk_sha256)) strict, without rowid`,
  `create table desired_model (
     device_id text not null references device (id), model text not null, version text not null,
     release integer not null, manifest_sha256 text not null, rollout_id text, trial text not null,
     set_at integer not null, primary key (device_id, model)) strict`,
  `create table desired_statement (
     device_id text primary key references device (id), sequence integer not null, envelope text not null,
     issued_at integer not null) strict`,
  `create table rollout (
     id text primary key, model text not null, version text not null, plan text not null, state text not null,
     status text not null, created_at integer not null, created_by text not null, updated_at integer not null) strict`,
  `create index rollout_by_model on rollout (model, status)`,
  `create table rollout_device (
     rollout_id text not null references rollout (id), device_id text not null, ordinal integer not null,
     phase integer not null, status text not null, assigned integer not null, sequence integer,
     previous_version text, offered_at integer, changed_at integer not null, last_word_at integer, back_at integer,
     fault text, primary key (rollout_id, device_id)) strict`,
  `create index rollout_device_by_device on rollout_device (device_id)`,
  `create table rollout_verdict (
     number integer primary key autoincrement, rollout_id text not null references rollout (id), at integer not null,
     phase integer not null, verdict text not null, reasons text not null, inputs text not null) strict`,
  `create index rollout_verdict_by_rollout on rollout_verdict (rollout_id, number)`,
  `create table device_event (
     device_id text not null, event_id text not null, received_at integer not null, model text not null,
     version text not null, rollout_id text, state text not null, body text not null,
     primary key (device_id, event_id)) strict`,
  `create table telemetry_stream (
     device_id text not null, stream text not null, number integer not null, updated_at integer not null,
     primary key (device_id, stream)) strict, without rowid`,
  `create table telemetry_bucket (
     device_id text not null, model text not null, version text not null, bucket_at integer not null, body blob not null,
     primary key (model, version, bucket_at, device_id)) strict, without rowid`,
  `create index telemetry_bucket_by_time on telemetry_bucket (bucket_at)`,
];
