/** What an enrolment was answered with, so that the same request can be answered again. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table enrolment (
    device_id text primary key references device (id) on delete cascade,
    join_token_id text not null references join_token (id) on delete cascade,
    key_sha256 text not null, certificate text not null) strict`.execute(db);
}
