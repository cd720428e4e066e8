import { join } from 'node:path';
import { readRegularFile, unreadableReason } from '../../platform/regular-file.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';

/** Reads a file of the folder that is packed. Throws `pack_file_missing`, saying where it was looked for, and `too_large`. */
export async function readNamedFile(folder: string, file: string): Promise<Uint8Array> {
  const path = join(folder, file);
  return await readRegularFile(path, limits.sampleFileBytesMax, { links: true }).catch((cause: unknown) => {
    throw isAppError(cause, 'too_large') ? cause : missingFile(path, cause);
  });
}

export function missingFile(path: string, cause: unknown): AppError {
  const text = isAppError(cause) ? cause.message : `Cannot read "${path}": ${unreadableReason(cause)}.`;
  return new AppError('pack_file_missing', text, { cause });
}
