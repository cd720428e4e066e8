import { describe, expect, it } from 'vitest';
import type { BlobStore, UnfinishedBlob } from '../../../../hub/transfer/blob-store.ts';
import { HotBlobStore } from '../../../../hub/transfer/hot-blob-store.ts';

/** A store that counts its reads; blob "n" is n bytes long. */
class CountingStore implements BlobStore {
  readonly reads: string[] = [];
  async put(): Promise<void> {}
  async delete(): Promise<void> {}
  async has(): Promise<boolean> {
    return true;
  }
  async size(digest: string): Promise<number> {
    return Number(digest);
  }
  async unfinished(): Promise<UnfinishedBlob[]> {
    return [];
  }
  async removeUnfinished(): Promise<void> {}
  async list(): Promise<ReadonlySet<string>> {
    return new Set();
  }
  async get(digest: string): Promise<Uint8Array | undefined> {
    this.reads.push(digest);
    await Promise.resolve();
    return Number(digest) === 0 ? undefined : new Uint8Array(Number(digest));
  }
}

describe('HotBlobStore', () => {
  it('reads a blob once for any number of askers', async () => {
    const store = new CountingStore();
    const hot = new HotBlobStore({ store, bytesMax: 100 });
    await Promise.all([hot.get('40'), hot.get('40'), hot.get('40')]);
    await hot.get('40');
    expect(store.reads).toEqual(['40']);
  });

  it('drops the blob used longest ago when over its bytes', async () => {
    const store = new CountingStore();
    const hot = new HotBlobStore({ store, bytesMax: 100 });
    await hot.get('40');
    await hot.get('50');
    await hot.get('40');
    await hot.get('30');
    expect(hot.bytesKept).toBe(70);
    await hot.get('40');
    await hot.get('50');
    expect(store.reads).toEqual(['40', '50', '30', '50']);
  });

  it('keeps no blob larger than its bytes, and no absence', async () => {
    const store = new CountingStore();
    const hot = new HotBlobStore({ store, bytesMax: 100 });
    await hot.get('101');
    await hot.get('0');
    await hot.get('0');
    expect(hot.bytesKept).toBe(0);
    expect(store.reads).toEqual(['101', '0', '0']);
  });
});
