import { execFileSync, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { writeFileAtomic } from '../../../platform/atomic-file.ts';
import { lockFolder } from '../../../platform/folder-lock.ts';
import {
  openRegularFile,
  openRegularFileToWrite,
  readGivenFile,
  readRegularFile,
  unreadableReason,
} from '../../../platform/regular-file.ts';
import { makeStateFolder } from '../../../platform/state-folder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const isRoot = process.getuid?.() === 0;

/** A path where there is no regular file, by what there is. */
async function inTheWay(): Promise<Readonly<Record<string, string>>> {
  const folder = await tempFolder();
  const path = (name: string) => join(folder, name);
  await mkdir(path('folder'));
  execFileSync('mkfifo', [path('pipe')]);
  await writeFile(path('file'), 'content');
  await symlink(path('file'), path('link'));
  await symlink(path('nowhere'), path('dangling'));
  const server = createServer().listen(path('socket'));
  onTestFinished(() => void server.close());
  return Object.fromEntries((await readdir(folder)).map((name) => [name, path(name)]));
}

describe('a regular file', () => {
  it('is read whole, also when it is empty', async () => {
    const path = join(await tempFolder(), 'file');
    for (const text of ['', 'x', 'y'.repeat(200_000)]) {
      await writeFile(path, text);
      expect(String(await readRegularFile(path, 200_000))).toBe(text);
      expect(String(await readGivenFile(path, 200_000))).toBe(text);
    }
    await expect(readRegularFile(path, 199_999)).rejects.toMatchObject({ code: 'too_large' });
    await expect(readGivenFile(path, 199_999)).rejects.toMatchObject({ code: 'too_large' });
  });

  it.each([
    ['folder', 'it is a folder'],
    ['pipe', 'it is not a regular file'],
    ['socket', 'it is not a regular file'],
    ['link', 'it is a symbolic link'],
    ['dangling', 'it is a symbolic link'],
  ])('is not a %s, which is refused without a wait', async (kind, reason) => {
    const path = (await inTheWay())[kind]!;
    const refusal = { code: 'file_unusable', message: `Cannot read "${path}": ${reason}.` };
    await expect(readRegularFile(path, 100)).rejects.toMatchObject(refusal);
  });

  it('may be a link where a user keeps it', async () => {
    const { link, dangling, pipe } = await inTheWay();
    expect(String(await readRegularFile(link!, 100, { links: true }))).toBe('content');
    await expect(readRegularFile(dangling!, 100, { links: true })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readRegularFile(pipe!, 100, { links: true })).rejects.toMatchObject({
      code: 'file_unusable',
    });
  });

  it('that is absent is told by the code of the system', async () => {
    await expect(openRegularFile(join(await tempFolder(), 'no'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('without end is not read to its end', async () => {
    await expect(readGivenFile('/dev/zero', 100_000)).rejects.toMatchObject({ code: 'too_large' });
    await expect(readRegularFile('/dev/zero', 100_000)).rejects.toMatchObject({ code: 'file_unusable' });
  });

  it.skipIf(isRoot)('that this user may not read is told as such', async () => {
    const path = join(await tempFolder(), 'file');
    await writeFile(path, '', { mode: 0 });
    await expect(readRegularFile(path, 100)).rejects.toThrow('this user has no permission to read it');
  });

  it('that was refused has its reason alone for a message that names the file itself', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'file');
    await writeFile(path, 'more than two');
    const reasonOf = (reading: Promise<unknown>) => reading.then(() => undefined, unreadableReason);
    expect(await reasonOf(readRegularFile(folder, 100))).toBe('it is a folder');
    expect(await reasonOf(readGivenFile(folder, 100))).toBe('it is a folder');
    expect(await reasonOf(readGivenFile(join(folder, 'no'), 100))).toBe('there is no such file');
    expect(await reasonOf(readRegularFile(path, 2))).toBe('it is larger than 2 B, the maximum');
  });

  it('that an operator names may be the end of a pipe', async () => {
    const { pipe } = await inTheWay();
    const writer = spawn('sh', ['-c', `sleep 0.1; printf from-a-pipe > "$1"`, 'sh', pipe!]);
    onTestFinished(() => void writer.kill());
    expect(String(await readGivenFile(pipe!, 100))).toBe('from-a-pipe');
  });
});

describe('what is in the way', () => {
  it.each(['folder', 'pipe', 'socket', 'link', 'dangling'])(
    'of a file that is written piece by piece is set aside without a wait: a %s',
    async (kind) => {
      const found = await inTheWay();
      const file = await openRegularFileToWrite(found[kind]!);
      await file.write('new');
      await file.close();
      expect(await readFile(found[kind]!, 'utf8')).toBe('new');
      expect(await readFile(found['file']!, 'utf8')).toBe('content');
      const names = await readdir(join(found['folder']!, '..'));
      expect(names.filter((name) => name.startsWith(`${kind}.set-aside-`))).toHaveLength(1);
    },
  );

  it('is nothing where there is no file or a regular one, which is written in place', async () => {
    const path = join(await tempFolder(), 'file');
    for (const text of ['new', 'NEW']) {
      const file = await openRegularFileToWrite(path);
      await file.write(text, 0);
      await file.close();
      expect(await readFile(path, 'utf8')).toBe(text);
    }
    await expect(openRegularFileToWrite(join(path, 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('of a file is set aside when it is a folder, and replaced when it is not', async () => {
    const found = await inTheWay();
    for (const path of Object.values(found)) {
      await writeFileAtomic(path, 'new');
      expect(await readFile(path, 'utf8')).toBe('new');
    }
    const aside = (await readdir(join(found['folder']!, '..'))).filter((name) =>
      name.includes('.set-aside-'),
    );
    expect(aside).toEqual([expect.stringMatching(/^folder\.set-aside-[0-9a-f]{6}$/)]);
  });

  it('of a folder is set aside', async () => {
    const found = await inTheWay();
    for (const path of Object.values(found)) {
      await makeStateFolder(path);
      expect(await readdir(path)).toEqual([]);
    }
  });

  it('is no folder that another call has just made, and filled', async () => {
    for (let round = 0; round < 20; round += 1) {
      const parent = await tempFolder();
      const path = join(parent, 'state');
      const made = Array.from({ length: 8 }, async (_, n) => {
        await makeStateFolder(path);
        await writeFile(join(path, String(n)), '');
      });
      await Promise.all(made);
      expect(await readdir(path)).toHaveLength(8);
      expect(await readdir(parent)).toEqual(['state']);
    }
  });

  it('of a lock is named, and not waited for', async () => {
    for (const kind of ['pipe', 'folder', 'link']) {
      const folder = await tempFolder();
      const found = await inTheWay();
      execFileSync('mv', [found[kind]!, join(folder, 'lock')]);
      expect(() => lockFolder(folder)).toThrow(/Cannot use the lock ".*lock": it is (not a regular|a)/);
    }
  });

  it('of the note who holds a lock does not matter', async () => {
    for (const kind of ['pipe', 'folder', 'dangling']) {
      const folder = await tempFolder();
      const found = await inTheWay();
      execFileSync('mv', [found[kind]!, join(folder, 'lock.pid')]);
      const lock = lockFolder(folder);
      expect(() => lockFolder(folder)).toThrow(/another process already uses it\. Stop that process/);
      lock.release();
    }
  });
});
