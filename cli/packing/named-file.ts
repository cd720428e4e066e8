import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read by this user',
  ERR_FS_FILE_TOO_LARGE: 'it is too large to be read',
};

/** Reads a file of the folder that is packed. Throws `pack_file_missing`, saying where it was looked for. */
export async function readNamedFile(folder: string, file: string): Promise<Uint8Array> {
  const path = join(folder, file);
  return await readFile(path).catch((cause: unknown) => {
    throw missingFile(path, cause);
  });
}

export function missingFile(path: string, cause: unknown): AppError {
  const reason = ownValue(REASONS, (cause as NodeJS.ErrnoException).code ?? '') ?? errorText(cause);
  return new AppError('pack_file_missing', `Cannot read "${path}": ${reason}.`, { cause });
}
