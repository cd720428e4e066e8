/** The table of trust files: every root (clients walk them), of the other topics the current file. */
import type { Kysely, Transaction } from 'kysely';
import type { TrustTopic } from '../../shared/protocol/trust-metadata.ts';
import type { Tables } from '../db/tables.ts';

export interface TrustFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** The current file of a topic. */
export async function readTrustFile(db: Kysely<Tables>, topic: TrustTopic): Promise<TrustFile | undefined> {
  return db
    .selectFrom('trust_file')
    .select(['version', 'bytes'])
    .where('role', '=', topic)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The current version of each role that has a file. */
export async function readTrustVersions(db: Kysely<Tables>): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('trust_file')
    .select(({ fn }) => ['role', fn.max('version').as('version')])
    .groupBy('role')
    .execute();
  return new Map(rows.map(({ role, version }) => [role, version]));
}

/** Every root, oldest first. */
export async function readRoots(db: Kysely<Tables>): Promise<TrustFile[]> {
  return db
    .selectFrom('trust_file')
    .select(['version', 'bytes'])
    .where('role', '=', 'root')
    .orderBy('version')
    .execute();
}

const BASE_KEY = 'publisher_base';

/** The next publisher metadata has a version above this number; 0 until a restore. */
export async function readPublisherBase(db: Kysely<Tables>): Promise<number> {
  const row = await db.selectFrom('meta').select('value').where('key', '=', BASE_KEY).executeTakeFirst();
  return Number(row?.value ?? 0);
}

export async function writePublisherBase(tx: Transaction<Tables>, base: number): Promise<void> {
  await tx
    .insertInto('meta')
    .values({ key: BASE_KEY, value: String(base) })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: String(base) }))
    .execute();
}

/** Makes a file the current one of its topic. */
export async function writeTrustFile(
  tx: Transaction<Tables>,
  topic: TrustTopic,
  file: TrustFile & { readonly addedAt: number },
): Promise<void> {
  await tx
    .insertInto('trust_file')
    .values({ role: topic, version: file.version, bytes: file.bytes, added_at: file.addedAt })
    .execute();
  if (topic === 'root') return;
  await tx.deleteFrom('trust_file').where('role', '=', topic).where('version', '<', file.version).execute();
}
