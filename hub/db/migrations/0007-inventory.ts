/** What must lie beside the database, which blobs are known to be lost, and which versions name a blob. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table inventory (path text primary key, identity text not null) strict`.execute(db);
  await sql`create table blob_lost (sha256 text primary key, lost_at integer not null) strict, without rowid`.execute(
    db,
  );
  await sql`create index if not exists version_chunk_by_chunk on version_chunk (chunk_sha256)`.execute(db);
}
