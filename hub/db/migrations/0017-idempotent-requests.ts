/** Requests that carried an idempotency key, with their answers, which only who sent the request can read. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table idempotent_request (
     token text not null, key_sha256 text not null, request_sha256 text not null, made_at integer not null,
     target text, answer blob, primary key (token, key_sha256)) strict, without rowid`,
  `create index idempotent_request_by_time on idempotent_request (made_at)`,
];
