/** A disk of a few kilobytes of its own, to be filled; where tests may mount one. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freeBytes } from '../../platform/free-bytes.ts';
import { tempFolder } from './temp-folder.ts';

export const canMount = (() => {
  try {
    const mount = 'd=$(mktemp -d) && mount -t tmpfs -o size=64k none $d && umount $d && rmdir $d';
    execFileSync('sh', ['-c', mount], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Its folder; gone when the test has ended. */
export async function smallDisk(kilobytes: number): Promise<string> {
  const root = await tempFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'none', root]);
  onTestFinished(() => void execFileSync('umount', ['-l', root]));
  return root;
}

/** Takes all the space there is, as another program may, beside whoever writes. Returns how to give it back. */
export async function fillDisk(root: string): Promise<() => Promise<void>> {
  const file = join(root, 'filler');
  const filler = openSync(file, 'w');
  try {
    const space = Buffer.alloc(await freeBytes(root), 1);
    for (let at = 0; at < space.length; ) at += writeSync(filler, space, at);
  } catch (error) {
    // Another writer took the last of it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(filler);
  }
  return () => rm(file);
}
