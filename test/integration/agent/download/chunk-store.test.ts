import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ChunkStore } from '../../../../agent/download/chunk-store.ts';
import { digestOf } from '../../../support/packed-version.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const chunk = Buffer.from('chunk');
const digest = digestOf(chunk);
const other = 'b'.repeat(64);

describe('ChunkStore', () => {
  it('counts a damaged chunk as absent and removes it', async () => {
    const folder = await tempFolder();
    const store = new ChunkStore(folder);
    await store.load();
    await store.put(digest, chunk);
    await writeFile(join(folder, digest), 'torn');
    expect(await store.read(digest)).toBeUndefined();
    expect(store.has(digest)).toBe(false);
  });

  it('finds what was stored before, and clears half-written files away', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, digest), chunk);
    await writeFile(join(folder, `${other}.abc.tmp`), 'half');
    const store = new ChunkStore(folder);
    await store.load();
    expect(store.has(digest)).toBe(true);
    expect(await readdir(folder)).toEqual([digest]);
  });

  it('removes leftovers of downloads given up long ago', async () => {
    const store = new ChunkStore(await tempFolder());
    await store.load();
    await store.put(digest, chunk);
    await store.removeOlderThan(Date.now() - 60_000);
    expect(store.has(digest)).toBe(true);
    await store.removeOlderThan(Date.now() + 60_000);
    expect(store.has(digest)).toBe(false);
  });
});
