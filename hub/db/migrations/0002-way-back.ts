/** How a device stands that a version was taken back from; null while its word is awaited, and in rows from before. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table rollout_device add column back_as text`.execute(db);
}
