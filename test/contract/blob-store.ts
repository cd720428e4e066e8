/** What every BlobStore must do. Each implementation runs this suite. */
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlobStore } from '../../hub/transfer/blob-store.ts';

export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  /** Changes the stored bytes behind the store's back. */
  corrupt(digest: string): Promise<void>;
  close(): Promise<void>;
}

export function describeBlobStore(name: string, make: () => Promise<BlobStoreUnderTest>): void {
  describe(`blob store contract: ${name}`, () => {
    let subject: BlobStoreUnderTest;
    const bytes = randomBytes(4096);
    const digest = createHash('sha256').update(bytes).digest('hex');

    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.close());

    it('gives back what was put', async () => {
      await subject.store.put(digest, bytes);
      expect(await subject.store.has(digest)).toBe(true);
      expect(Buffer.from((await subject.store.get(digest))!)).toEqual(bytes);
    });

    it('takes the same blob twice', async () => {
      await subject.store.put(digest, bytes);
      await subject.store.put(digest, bytes);
      expect(await subject.store.has(digest)).toBe(true);
    });

    it('takes the same blob from two writers at once', async () => {
      await Promise.all([subject.store.put(digest, bytes), subject.store.put(digest, bytes)]);
      expect(Buffer.from((await subject.store.get(digest))!)).toEqual(bytes);
    });

    it('says undefined for a blob it does not have', async () => {
      expect(await subject.store.get(digest)).toBeUndefined();
      expect(await subject.store.has(digest)).toBe(false);
    });

    it('refuses bytes that do not fit their digest and keeps nothing of them', async () => {
      await expect(subject.store.put(digest, randomBytes(10))).rejects.toMatchObject({ code: 'bad_input' });
      expect(await subject.store.has(digest)).toBe(false);
    });

    it('refuses names that are no digest', async () => {
      for (const bad of ['../../etc/passwd', digest.toUpperCase(), `${digest}0`, '']) {
        await expect(subject.store.get(bad)).rejects.toMatchObject({ code: 'bad_input' });
        await expect(subject.store.put(bad, bytes)).rejects.toMatchObject({ code: 'bad_input' });
      }
    });

    it('counts a blob whose bytes changed as absent, and takes it anew', async () => {
      await subject.store.put(digest, bytes);
      await subject.corrupt(digest);
      expect(await subject.store.get(digest)).toBeUndefined();
      expect(await subject.store.has(digest)).toBe(false);
      await subject.store.put(digest, bytes);
      expect(Buffer.from((await subject.store.get(digest))!)).toEqual(bytes);
    });

    it('lists what is there by the first two digits of the name', async () => {
      const prefix = digest.slice(0, 2);
      expect([...(await subject.store.list(prefix))]).toEqual([]);
      await subject.store.put(digest, bytes);
      expect([...(await subject.store.list(prefix))]).toEqual([digest]);
      expect([...(await subject.store.list(prefix === '00' ? '01' : '00'))]).toEqual([]);
    });

    it('forgets a deleted blob, and does not mind deleting one it never had', async () => {
      await subject.store.put(digest, bytes);
      await subject.store.delete(digest);
      await subject.store.delete(digest);
      expect(await subject.store.get(digest)).toBeUndefined();
    });
  });
}
