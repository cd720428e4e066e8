/** The files of a data folder as a start finds them, before the hub makes or opens any. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { openRegularFile, type RegularFileOptions } from '../../platform/regular-file.ts';
import { blobsFolder, databaseFile, keyFiles, type Lack } from './inventory.ts';

export interface FolderFiles {
  /** Nothing of a hub is there yet, or a first start did not finish. */
  readonly isNew: boolean;
  readonly lacks: readonly Lack[];
}

/** Present from the beginning of the folder's first start to its end: keys and a database that is empty may be missing then. */
export const firstStartFile = 'first-start';

/** Throws `file_unusable` for what is no regular file. A folder that has nothing of a hub is marked as being made. */
export async function findFolderFiles(folder: string): Promise<FolderFiles> {
  // The database may be a link to another disk; a key is none.
  const sizes = new Map([[databaseFile, await sizeOf(join(folder, databaseFile), { links: true })]]);
  for (const path of keyFiles) sizes.set(path, await sizeOf(join(folder, path)));
  const lacks = [...sizes].flatMap(([path, size]): Lack[] =>
    size ? [] : [{ path, reason: size === 0 ? 'is empty' : 'is missing' }],
  );
  if ((await sizeOf(join(folder, firstStartFile))) !== undefined) return { isNew: true, lacks };
  const isBare = [...sizes.values()].every((size) => size === undefined);
  if (!isBare || (await readdir(join(folder, blobsFolder)).catch(absent)).length > 0) {
    return { isNew: false, lacks };
  }
  await writeFileAtomic(join(folder, firstStartFile), 'A hub is being made here.\n');
  return { isNew: true, lacks };
}

/** From here on everything of the inventory must be there. */
export async function endFirstStart(folder: string): Promise<void> {
  await rm(join(folder, firstStartFile), { force: true });
}

/** Undefined for a file that is not there. */
async function sizeOf(path: string, options: RegularFileOptions = {}): Promise<number | undefined> {
  const file = await openRegularFile(path, options).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  try {
    return (await file?.stat())?.size;
  } finally {
    await file?.close();
  }
}

function absent(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
