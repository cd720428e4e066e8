/** Objectives of models, alerts, silences, and notifications that wait for their receivers. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table objective (
     model text not null, device_group text not null, body text not null, set_at integer not null,
     primary key (model, device_group)) strict, without rowid`,
  `create table alert (
     id text primary key, code text not null, subject text not null, severity text not null, state text not null,
     summary text not null, pending_at integer not null, fired_at integer, clear_since integer, resolved_at integer,
     acknowledged_at integer, acknowledged_by text, recurrences integer not null, notified text) strict, without rowid`,
  `create unique index alert_live on alert (code, subject) where state <> 'resolved'`,
  `create index alert_by_subject on alert (code, subject, resolved_at)`,
  `create index alert_by_time on alert (pending_at, id)`,
  `create index alert_resolved on alert (resolved_at) where resolved_at is not null`,
  `create table alert_silence (
     id text primary key, code text, subject text, reason text not null, created_at integer not null,
     created_by text not null, ends_at integer not null) strict, without rowid`,
  `create index alert_silence_by_end on alert_silence (ends_at, id)`,
  `create index alert_silence_by_time on alert_silence (created_at, id)`,
  `create table alert_delivery (
     number integer primary key autoincrement, id text not null, receiver text not null, subject text not null,
     body text not null, created_at integer not null, tries integer not null, tried_at integer, dead_at integer, fault text, unique (id, receiver)) strict`,
  `create index alert_delivery_waiting on alert_delivery (receiver, number) where dead_at is null`,
  `create index alert_delivery_dead on alert_delivery (dead_at) where dead_at is not null`,
];
