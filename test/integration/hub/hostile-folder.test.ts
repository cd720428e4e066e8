import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { DiskBlobStore } from '../../../hub/transfer/disk-blob-store.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 60_000 });

it.each(['hub.db', 'lock', 'pki/ca.pem', 'pki/server.pem', 'keys/director.pem'])(
  'a pipe in the place of %s ends the start with its path, and is not waited for',
  async (path) => {
    const data = await tempFolder();
    await mkdir(join(data, 'pki'));
    await mkdir(join(data, 'keys'));
    execFileSync('mkfifo', [join(data, path)]);
    await expect(RunningHub.start({ data })).rejects.toMatchObject({
      code: 'file_unusable',
      message: expect.stringContaining(join(data, path)),
    });
  },
);

it('a blob gives way for the same one sent again, whatever is in its place', async () => {
  const bytes = Buffer.from('blob');
  const digest = createHash('sha256').update(bytes).digest('hex');
  for (const make of [
    (path: string) => mkdir(path),
    (path: string) => symlink('/nowhere', path),
    async (path: string) => void execFileSync('mkfifo', [path]),
  ]) {
    const folder = await tempFolder();
    const store = new DiskBlobStore(folder);
    await mkdir(join(folder, digest.slice(0, 2)));
    await make(join(folder, digest.slice(0, 2), digest));
    expect(await store.get(digest)).toBeUndefined();
    expect(await store.has(digest)).toBe(false);
    await store.put(digest, bytes);
    expect(await store.get(digest)).toEqual(bytes);
    expect(await readdir(join(folder, digest.slice(0, 2)))).toHaveLength(2);
  }
});
