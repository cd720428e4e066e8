import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { LostBlobs } from '../../../../hub/models/lost-blobs.ts';
import { ModelStore } from '../../../../hub/models/model-store.ts';
import { DiskBlobStore } from '../../../../hub/transfer/disk-blob-store.ts';
import { loggedLines } from '../../../support/logged.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

it('a damaged upload that no version names is told, and no start waits for it', async () => {
  const folder = await tempFolder();
  const database = await openDatabase(join(folder, 'hub.db'));
  onTestFinished(() => database.destroy());
  const store = new ModelStore(database);
  const { logger, lines } = loggedLines();
  const noted = Promise.withResolvers<void>();
  const blobs: DiskBlobStore = new DiskBlobStore(
    join(folder, 'blobs'),
    (digest) => void lost.foundBad(digest).then(noted.resolve),
  );
  const lost = new LostBlobs({ store, blobs, clock: new ManualClock(), logger });
  const bytes = Buffer.from('a chunk');
  const digest = createHash('sha256').update(bytes).digest('hex');
  await blobs.put(digest, bytes);
  await writeFile(join(folder, 'blobs', digest.slice(0, 2), digest), 'damaged');
  expect(await blobs.get(digest)).toBeUndefined();
  await noted.promise;
  expect(lines).toMatchObject([{ digest, msg: expect.stringContaining('damaged') }]);
  expect(await store.blobsLost()).toEqual([]);
});
