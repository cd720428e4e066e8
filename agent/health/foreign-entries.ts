/**
 * What lies in the folders of the agent's data folder and is not the agent's: `lost+found` of a disk of its own, a dangling
 * link, a pipe, what was in the way and was set aside. It is left where it is, and named. At the top of the data folder
 * anything may lie.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type DataFolder, dataFolder } from '../config/data-folder.ts';
import { isUnfinished, parseEntryName } from '../connection/outbox-file.ts';
import { parseSegmentName } from '../telemetry/prediction-segment.ts';
import { isJournalName } from '../update/update-journal.ts';

type IsOurs = (entry: Dirent) => boolean;

const NAMED_MAX = 10;

const ours: Readonly<Partial<Record<keyof DataFolder, IsOurs>>> = {
  chunks: (entry) => entry.isFile() && /^[0-9a-f]{64}(\.[0-9a-f]+\.tmp)?$/.test(entry.name),
  slots: (entry) => entry.isDirectory() && /^[0-9a-f]{64}(\.new)?$/.test(entry.name),
  outbox: (entry) => entry.isFile() && (parseEntryName(entry.name) !== undefined || isUnfinished(entry.name)),
  predictions: (entry) => entry.isFile() && parseSegmentName(entry.name) !== undefined,
  updates: (entry) =>
    entry.isFile() && isJournalName(entry.name.replace(/\.(unreadable|[0-9a-f]+\.tmp)$/, '')),
  state: (entry) => entry.isFile() || (entry.isDirectory() && entry.name === 'updates'),
  trust: (entry) => entry.isFile() || (entry.isDirectory() && entry.name.startsWith('scratch-')),
};

/** Paths below the data folder `root`, in order. */
export async function findForeignEntries(root: string): Promise<readonly string[]> {
  const paths = dataFolder(root);
  const found = await Promise.all(
    Object.entries(ours).map(async ([name, isOurs]) => {
      const folder = paths[name as keyof DataFolder];
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      return entries
        .filter((entry) => !isOurs(entry))
        .map((entry) => relative(root, join(folder, entry.name)));
    }),
  );
  return found.flat().sort();
}

/** One sentence that names them; undefined when there are none. */
export function foreignEntriesText(found: readonly string[]): string | undefined {
  if (found.length === 0) return undefined;
  const named = found.slice(0, NAMED_MAX).map((path) => JSON.stringify(path.slice(0, 120)));
  const more = found.length > NAMED_MAX ? ` and ${found.length - NAMED_MAX} more` : '';
  return `The data folder contains entries that the agent did not create: ${named.join(', ')}${more}.`;
}
