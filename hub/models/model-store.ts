/** The tables of models, their versions and the chunks these consist of. */

import { type Selectable, sql, type Transaction } from 'kysely';
import type { VersionState } from '../../shared/api/models.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { type ModelManifest, parseManifest } from '../../shared/manifest/model-manifest.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { inOrder, type Position } from '../http/sorting.ts';
import type { PublishedVersion } from './published-version.ts';

/** Rows of one insert statement: SQLite takes a bounded number of values. */
const INSERT_ROWS = 500;

export type VersionSummary = Omit<PublishedVersion, 'manifest'>;

export interface VersionQuery {
  readonly state?: VersionState;
  readonly position: Position;
  readonly limit: number;
}

export interface ModelSummary {
  readonly model: string;
  readonly versions: number;
  readonly newest: VersionSummary;
}
const summaryColumns = [
  'model',
  'version',
  'release',
  'manifest_sha256',
  'published_at',
  'published_by',
  'withdrawn_at',
  'withdrawn_reason',
  'content_left_at',
] as const;

export interface NamedBlob {
  readonly sha256: string;
  readonly model: string;
  readonly version: string;
  /** Its length as it was stored; null when that is not known. */
  readonly bytes: number | null;
}

export class ModelStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Those of these versions that were published. */
  async published<T extends { readonly model: string; readonly version: string }>(
    versions: readonly T[],
  ): Promise<readonly T[]> {
    const names = JSON.stringify(versions.map(({ model, version }) => [model, version]));
    const { rows } = await sql<{ place: number }>`
      select asked.key as place from json_each(${names}) as asked
        join version on version.model = asked.value ->> 0 and version.version = asked.value ->> 1`.execute(
      this.#database,
    );
    return rows.map(({ place }) => versions[place]!);
  }

  async find(model: string, version: string): Promise<PublishedVersion | undefined> {
    const row = await this.#database
      .selectFrom('version')
      .selectAll()
      .where('model', '=', model)
      .where('version', '=', version)
      .executeTakeFirst();
    return row && { ...toSummary(row), manifest: parseManifest(row.manifest) };
  }

  /** Each model with its newest version, in the order of a sort by `model`. */
  async models({
    position,
    limit,
  }: {
    readonly position: Position;
    readonly limit: number;
  }): Promise<ModelSummary[]> {
    const page = inOrder(
      this.#database
        .selectFrom('version')
        .select(({ fn }) => [
          'model as name',
          fn.max('release').as('newest'),
          fn.countAll<number>().as('versions'),
        ])
        .groupBy('model')
        .limit(limit),
      position,
    );
    const rows = await this.#database
      .selectFrom(page.as('found'))
      .innerJoin('version', (join) =>
        join.onRef('version.model', '=', 'found.name').onRef('version.release', '=', 'found.newest'),
      )
      .select(summaryColumns)
      .select('versions')
      .orderBy('model', position.isDescending ? 'desc' : 'asc')
      .execute();
    return rows.map((row) => ({ model: row.model, versions: Number(row.versions), newest: toSummary(row) }));
  }

  /** Whether a version of the model was ever published. */
  async isKnown(model: string): Promise<boolean> {
    const query = this.#database.selectFrom('version').select('release').where('model', '=', model).limit(1);
    return (await query.executeTakeFirst()) !== undefined;
  }

  /** Versions of a model without their manifests. */
  async list(model: string, { position, state, limit }: VersionQuery): Promise<VersionSummary[]> {
    let query = inOrder(
      this.#database.selectFrom('version').select(summaryColumns).where('model', '=', model).limit(limit),
      position,
    );
    if (state !== undefined)
      query = query.where('withdrawn_at', state === 'published' ? 'is' : 'is not', null);
    return (await query.execute()).map(toSummary);
  }

  async hasChunk(manifestSha256: string, chunkSha256: string): Promise<boolean> {
    const row = await this.#database
      .selectFrom('version_chunk')
      .select('chunk_sha256')
      .where('manifest_sha256', '=', manifestSha256)
      .where('chunk_sha256', '=', chunkSha256)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** What versions that are not withdrawn name of the blobs whose digest begins so, less those known to be lost. */
  async blobsNamed(prefix: string): Promise<NamedBlob[]> {
    // `g` follows the last hex digit.
    const { rows } = await sql<NamedBlob>`
      select n.sha256, n.model, n.version, b.bytes from (
        select c.chunk_sha256 as sha256, v.model, v.version from version_chunk c
          join version v on v.manifest_sha256 = c.manifest_sha256
          where v.withdrawn_at is null and c.chunk_sha256 >= ${prefix} and c.chunk_sha256 < ${`${prefix}g`}
        union all
        select manifest_sha256, model, version from version
          where withdrawn_at is null and manifest_sha256 >= ${prefix} and manifest_sha256 < ${`${prefix}g`}
      ) n left join blob b on b.sha256 = n.sha256
        where not exists (select 1 from blob_lost l where l.sha256 = n.sha256)`.execute(this.#database);
    return rows;
  }

  async manifestBytes(manifestSha256: string): Promise<Uint8Array | undefined> {
    const row = await this.#database
      .selectFrom('version')
      .select('manifest')
      .where('manifest_sha256', '=', manifestSha256)
      .executeTakeFirst();
    return row?.manifest;
  }

  async blobsLost(): Promise<string[]> {
    const rows = await this.#database.selectFrom('blob_lost').select('sha256').execute();
    return rows.map(({ sha256 }) => sha256);
  }

  async addLost(digests: readonly string[], at: number): Promise<void> {
    for (let from = 0; from < digests.length; from += INSERT_ROWS) {
      await this.#database
        .insertInto('blob_lost')
        .values(digests.slice(from, from + INSERT_ROWS).map((sha256) => ({ sha256, lost_at: at })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  }

  async removeLost(sha256: string): Promise<void> {
    await this.#database.deleteFrom('blob_lost').where('sha256', '=', sha256).execute();
  }

  /** Number of versions and the highest release of a model; zeros when it has none. */
  async figures(tx: Transaction<Tables>, model: string): Promise<{ versions: number; release: number }> {
    const row = await tx
      .selectFrom('version')
      .select((select) => [
        select.fn.countAll<number>().as('versions'),
        select.fn.max('release').as('release'),
      ])
      .where('model', '=', model)
      .executeTakeFirst();
    return { versions: Number(row?.versions ?? 0), release: Number(row?.release ?? 0) };
  }

  /** Manifest of the version with the highest release that is not withdrawn. */
  async newest(tx: Transaction<Tables>, model: string): Promise<ModelManifest | undefined> {
    const row = await tx
      .selectFrom('version')
      .select('manifest')
      .where('model', '=', model)
      .where('withdrawn_at', 'is', null)
      .orderBy('release', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && parseManifest(row.manifest);
  }

  async add(
    tx: Transaction<Tables>,
    entry: { manifest: ModelManifest; bytes: Uint8Array; publishedAt: number; publishedBy: string },
  ): Promise<void> {
    const { manifest, bytes, publishedAt } = entry;
    const manifestSha256 = sha256(bytes);
    await tx
      .insertInto('model')
      .values({ name: manifest.model, created_at: publishedAt })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await tx
      .insertInto('version')
      .values({
        model: manifest.model,
        version: manifest.version,
        release: manifest.release,
        manifest_sha256: manifestSha256,
        manifest: bytes,
        published_at: publishedAt,
        published_by: entry.publishedBy,
        withdrawn_at: null,
        withdrawn_reason: null,
      })
      .execute();
    const chunks = [...new Set(manifest.files.flatMap((file) => file.chunks))];
    for (let at = 0; at < chunks.length; at += INSERT_ROWS) {
      const rows = chunks.slice(at, at + INSERT_ROWS);
      await tx
        .insertInto('version_chunk')
        .values(rows.map((chunk) => ({ manifest_sha256: manifestSha256, chunk_sha256: chunk })))
        .execute();
    }
  }

  async markWithdrawn(
    tx: Transaction<Tables>,
    entry: { model: string; version: string; at: number; reason: string; knownAt: number },
  ): Promise<void> {
    await tx
      .updateTable('version')
      .set({
        withdrawn_at: entry.at,
        withdrawn_reason: entry.reason,
        withdrawal_known_at: entry.knownAt,
      })
      .where('model', '=', entry.model)
      .where('version', '=', entry.version)
      .execute();
  }
}

function toSummary(
  row: Pick<Selectable<Tables['version']>, (typeof summaryColumns)[number]>,
): VersionSummary {
  return {
    model: row.model,
    version: row.version,
    release: row.release,
    manifestSha256: row.manifest_sha256,
    publishedAt: row.published_at,
    publishedBy: row.published_by,
    ...(row.withdrawn_at === null
      ? {}
      : { withdrawn: { at: row.withdrawn_at, reason: row.withdrawn_reason ?? '' } }),
    ...(row.content_left_at === null ? {} : { contentLeftAt: row.content_left_at }),
  };
}
