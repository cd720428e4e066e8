/** Orders and filters of the lists of devices and versions, each by an index. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create index device_by_enrolment on device (enrolled_at, id)`,
  `drop index device_by_group`,
  `create index device_by_group on device (device_group, id)`,
  `create index version_by_publication on version (model, published_at, release)`,
];
