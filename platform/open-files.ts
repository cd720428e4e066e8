/** How many files and sockets this process may have open. */
import { readFile } from 'node:fs/promises';

/** Undefined where the system does not say; Infinity where there is no limit. */
export async function openFilesMax(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const found = /^Max open files\s+(\S+)/m.exec(text)?.[1];
  if (found === undefined) return undefined;
  return found === 'unlimited' ? Number.POSITIVE_INFINITY : Number(found);
}
