/**
 * `SHA256SUMS`: every file of a backup with its digest, in the form that `sha256sum -c` reads, so that a backup can be checked
 * on any machine, without this program.
 */

import { join } from 'node:path';
import { sha256OfFile } from '../../platform/file-digest.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';

export const listingName = 'SHA256SUMS';

export interface ListedFile {
  /** Relative to the backup, with `/`. */
  readonly path: string;
  readonly sha256: string;
}

const LINE = /^([0-9a-f]{64}) {2}(.+)$/;
/** What the hub itself writes; no path leads out of the folder. */
const PATH = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/){0,4}[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

export function isListable(path: string): boolean {
  return PATH.test(path);
}

export function listingText(files: readonly ListedFile[]): string {
  return files.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join('');
}

/** Throws `backup_damaged`. */
export async function readListing(folder: string): Promise<readonly ListedFile[]> {
  const text = await readRegularFile(join(folder, listingName), limits.backupListingBytesMax).catch(
    (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'ENOENT'
          ? `it has no file "${listingName}": it is not a backup, or the backup was interrupted`
          : errorText(error);
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR' && !isAppError(error)) throw error;
      throw new AppError('backup_damaged', `Cannot use "${folder}" as a backup: ${why}.`, { cause: error });
    },
  );
  return parseListing(text.toString('utf8'));
}

/** Throws `backup_damaged`. */
function parseListing(text: string): readonly ListedFile[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, at) => {
    const [, sha256, path] = LINE.exec(line) ?? [];
    if (sha256 !== undefined && path !== undefined && isListable(path)) return { path, sha256 };
    throw new AppError(
      'backup_damaged',
      `Cannot read the backup: line ${at + 1} of its "${listingName}" does not contain a digest and a file name.`,
    );
  });
}

/** Those of the listed files that `folder` does not have, or not with these bytes. */
export async function differingFiles(folder: string, files: readonly ListedFile[]): Promise<string[]> {
  const differing: string[] = [];
  for (const { path, sha256 } of files) {
    const found = await sha256OfFile(join(folder, path)).catch(() => undefined);
    if (found !== sha256) differing.push(path);
  }
  return differing;
}
