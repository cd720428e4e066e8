/** Folders in which a program keeps its state, as they may be after anybody had hands on the disk. */
import { lstat, readdir, stat } from 'node:fs/promises';
import { makePrivateFolder } from './atomic-file.ts';
import { setAside } from './set-aside.ts';

/** Makes the folder and its parents. A link to a folder is as good as one; anything else that is there is set aside. */
export async function makeStateFolder(path: string): Promise<void> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return;
  // Somebody else may have made the folder since, and filled it: only what is none is in the way.
  const isInTheWay = await lstat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
  if (isInTheWay) await setAside(path);
  await makePrivateFolder(path);
}

/** Names of the regular files, or of the folders, in a folder, in order; a folder that is not there has none. */
export async function listState(path: string, kind: 'files' | 'folders'): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => (kind === 'files' ? entry.isFile() : entry.isDirectory()))
    .map(({ name }) => name)
    .sort();
}
