/** A version as the database of a hub holds it, for what needs its manifest and none of its files. */
import { join } from 'node:path';
import { openDatabase } from '../../hub/db/database.ts';
import type { PublishedVersion } from '../../hub/models/published-version.ts';

/** Adds the model and the version to the database of a hub, which may run. */
export async function storeModel(
  data: string,
  { model, version, release, manifestSha256, manifest }: PublishedVersion,
): Promise<void> {
  const database = await openDatabase(join(data, 'hub.db'));
  try {
    await database.insertInto('model').values({ name: model, created_at: 1 }).execute();
    await database
      .insertInto('version')
      .values({
        model,
        version,
        release,
        manifest_sha256: manifestSha256,
        manifest: Buffer.from(JSON.stringify(manifest)),
        published_at: 1,
        published_by: 'test',
        // A restart looks for no files of it.
        withdrawn_at: 1,
        withdrawn_reason: 'only in tests',
        content_left_at: 1,
      })
      .execute();
  } finally {
    await database.destroy();
  }
}
