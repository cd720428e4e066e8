import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readRegularFile, unreadableReason } from '../../platform/regular-file.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { standInKind } from '../../shared/onnx/file-kind.ts';

/**
 * Reads a file of the folder that is packed. Throws `pack_file_missing`, saying where it was looked for, `too_large`, or
 * `sample_invalid` when something else stands in its place.
 */
export async function readNamedFile(folder: string, file: string): Promise<Uint8Array> {
  const path = await findNamedFile(folder, file);
  const bytes = await readRegularFile(path, limits.sampleFileBytesMax, { links: true }).catch(
    (cause: unknown) => {
      throw isAppError(cause, 'too_large') ? cause : missingFile(path, cause);
    },
  );
  const kind = standInKind(bytes);
  if (kind === undefined) return bytes;
  throw new AppError('sample_invalid', `Cannot read "${path}": it is ${kind}.`);
}

/** Where a file lies. Some systems compose accents in the names of files and some take them apart; both are found. */
export async function findNamedFile(folder: string, file: string): Promise<string> {
  const path = join(folder, file);
  const entries = await readdir(dirname(path)).catch((): string[] => []);
  const [name, composed] = [basename(path), basename(path).normalize('NFC')];
  const alike = entries.filter((entry) => entry.normalize('NFC') === composed);
  return alike.length !== 1 || alike[0] === name ? path : join(dirname(path), alike[0]!);
}

export function missingFile(path: string, cause: unknown): AppError {
  const text = isAppError(cause) ? cause.message : `Cannot read "${path}": ${unreadableReason(cause)}.`;
  return new AppError('pack_file_missing', text, { cause });
}
