/**
 * What is stored of blobs, so that those no version names can leave: `unnamed_since` is null while a version names the blob,
 * else the last time somebody uploaded it or was told that it is there. `blob_total` is kept by triggers: no sum costs more
 * than a row of each uploader. Blobs stored before this have no row; they are found on the disk and get one.
 *
 * Of a version: when the hub learnt that it is withdrawn, when its files left, and whether they are still on their way.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const adds = (row: 'new' | 'old', sign: '' | '-') => `
  insert into blob_total (named, uploaded_by, blobs, bytes)
    values (${row}.unnamed_since is null, iif(${row}.unnamed_since is null, '', ${row}.uploaded_by), ${sign}1, ${sign}${row}.bytes)
    on conflict do update set blobs = blobs + excluded.blobs, bytes = bytes + excluded.bytes;`;
const forgetEmpty = 'delete from blob_total where blobs = 0;';

const statements = [
  `create table blob (
     sha256 text primary key, bytes integer not null, stored_at integer not null, unnamed_since integer,
     uploaded_by text not null) strict, without rowid`,
  `create index blob_unnamed on blob (unnamed_since) where unnamed_since is not null`,
  `create table blob_total (
     named integer not null, uploaded_by text not null, blobs integer not null, bytes integer not null,
     primary key (named, uploaded_by)) strict, without rowid`,
  `create trigger blob_added after insert on blob begin ${adds('new', '')} end`,
  `create trigger blob_removed after delete on blob begin ${adds('old', '-')} ${forgetEmpty} end`,
  `create trigger blob_changed after update of unnamed_since on blob
     when (old.unnamed_since is null) <> (new.unnamed_since is null)
     begin ${adds('old', '-')} ${adds('new', '')} ${forgetEmpty} end`,
  `alter table version add column withdrawal_known_at integer`,
  `update version set withdrawal_known_at = withdrawn_at where withdrawn_at is not null`,
  `alter table version add column content_left_at integer`,
  `alter table version add column content_leaving integer not null default 0`,
  `create index version_withdrawn on version (withdrawal_known_at)
     where withdrawal_known_at is not null and content_left_at is null`,
  `create index version_leaving on version (manifest_sha256) where content_leaving = 1`,
  `create index desired_model_by_manifest on desired_model (manifest_sha256)`,
];
