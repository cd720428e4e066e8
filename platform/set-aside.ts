import { randomBytes } from 'node:crypto';
import { rename } from 'node:fs/promises';

/**
 * Gives what is in the way of a program's own file or folder another name beside it, and returns that path. It may be
 * somebody's, so it is never deleted.
 */
export async function setAside(path: string): Promise<string> {
  const aside = `${path}.set-aside-${randomBytes(3).toString('hex')}`;
  await rename(path, aside);
  return aside;
}
