import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskBlobStore } from '../../hub/transfer/disk-blob-store.ts';
import { HotBlobStore } from '../../hub/transfer/hot-blob-store.ts';
import { type BlobStoreUnderTest, describeBlobStore } from './blob-store.ts';

async function makeDisk(): Promise<BlobStoreUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-blobs-'));
  return {
    store: new DiskBlobStore(folder),
    async corrupt(digest) {
      const path = join(folder, digest.slice(0, 2), digest);
      const bytes = await readFile(path);
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(path, bytes);
    },
    close: () => rm(folder, { recursive: true }),
  };
}

describeBlobStore('disk', makeDisk);
describeBlobStore('disk behind memory', async () => {
  const disk = await makeDisk();
  return { ...disk, store: new HotBlobStore({ store: disk.store, bytesMax: 1024 * 1024 }) };
});
