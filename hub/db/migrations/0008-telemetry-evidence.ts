/** What each device brought for the rollout that offered it the version: gates judge by it, not by a span of time. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table telemetry_evidence (
    rollout_id text not null references rollout (id) on delete cascade, device_id text not null,
    offered_at integer not null, credit_ms integer not null, updated_at integer not null, body blob not null,
    primary key (rollout_id, device_id)) strict`.execute(db);
  await sql`create index telemetry_evidence_by_time on telemetry_evidence (updated_at)`.execute(db);
}
