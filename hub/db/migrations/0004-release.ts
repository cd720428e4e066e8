/** The last release of each model on each device, by the sequence of the statement that said it first. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table desired_release (
    device_id text not null references device (id) on delete cascade,
    model text not null, sequence integer not null,
    primary key (device_id, model)) strict`.execute(db);
}
