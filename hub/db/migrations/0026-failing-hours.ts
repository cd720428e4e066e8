/**
 * The devices that fail most in an hour are found by an index. It holds hours with failed requests alone, so that a healthy device costs
 * nothing. Hours that are stored already count as without failures until their device reports again.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table telemetry_device_hour add column failed integer not null default 0`,
  `create index telemetry_device_hour_failing
     on telemetry_device_hour (model, version, hour_at, failed, device_id, device_group) where failed > 0`,
];
