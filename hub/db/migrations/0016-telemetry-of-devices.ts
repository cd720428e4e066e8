/**
 * Telemetry of removed devices: of which devices it is to go, and how it is found. What came of devices that were removed before
 * goes as well. Evidence has revisions, so that only what is new is read again, and belongs
 * to one offer of a rollout: what a device should run says which.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table telemetry_removed (device_id text primary key, removed_at integer not null) strict, without rowid`,
  `insert into telemetry_removed select id, revoked_at from device where revoked_at is not null`,
  `create index telemetry_bucket_by_device on telemetry_bucket (device_id)`,
  `create index telemetry_evidence_by_device on telemetry_evidence (device_id)`,
  `alter table telemetry_evidence add column revision integer not null default 0`,
  `update telemetry_evidence set revision = rowid`,
  `alter table desired_model add column offer integer`,
  `create index telemetry_evidence_news on telemetry_evidence (rollout_id, revision)`,
];
