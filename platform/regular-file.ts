/**
 * Reads files that a program keeps or is given, as they may be after anybody had hands on the disk: a pipe that nobody
 * writes to, a link, a folder or a file without end costs an error, never a wait and never the memory.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { AppError, errorText, isAppError } from '../shared/base/app-error.ts';
import { formatBytes } from '../shared/base/bytes.ts';
import { ownValue } from '../shared/base/own-value.ts';
import { setAside } from './set-aside.ts';

export interface RegularFileOptions {
  /** Whether a symbolic link may stand in for the file: in what a user keeps, not in what a program keeps for itself. */
  readonly links?: boolean;
}

const GROW_BYTES_MIN = 64 * 1024;
/** One system call can read no more than 2 GiB. */
const READ_BYTES_MAX = 64 * 1024 * 1024;

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user has no permission to read it',
  EPERM: 'this user has no permission to read it',
  EIO: 'the disk cannot read it',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a symbolic link',
  ENOENT: 'there is no such file',
  ENOTDIR: 'a file stands in the place of its folder',
  ENXIO: 'it is not a regular file',
};

/** Why a file cannot be read, as the end of a sentence; also of what the functions below throw, whose messages name the file too. */
export function unreadableReason(cause: unknown): string {
  const isRefusal = isAppError(cause, 'file_unusable') || isAppError(cause, 'too_large');
  if (isRefusal && cause.cause !== undefined) return unreadableReason(cause.cause);
  return ownValue(reasons, (cause as NodeJS.ErrnoException | undefined)?.code ?? '') ?? errorText(cause);
}

const unwritableReasons: Readonly<Record<string, string>> = {
  EACCES: 'this user has no permission to write there',
  EPERM: 'this user has no permission to write there',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such folder',
  ENOTDIR: 'a file stands in the place of its folder',
  EEXIST: 'a file stands in the place of its folder',
  EIO: 'the disk cannot write it',
};

/** Why a file cannot be written, as the end of a sentence. */
export function unwritableReason(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  return ownValue(unwritableReasons, code) ?? errorText(cause);
}

/**
 * Opens a regular file for reading, without waiting for anything. Throws the system's own error when there is none (`ENOENT`),
 * `file_unusable` for whatever else is there.
 */
export async function openRegularFile(
  path: string,
  { links = false }: RegularFileOptions = {},
): Promise<FileHandle> {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  // Windows has neither flag.
  const flags = O_RDONLY | (O_NONBLOCK ?? 0) | (links ? 0 : (O_NOFOLLOW ?? 0));
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || ownValue(reasons, error.code ?? '') === undefined) throw error;
    throw unusable(path, unreadableReason(error), error);
  });
  try {
    const found = await file.stat();
    if (found.isFile()) return file;
    throw unusable(path, found.isDirectory() ? 'it is a folder' : 'it is not a regular file');
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What `open` meets that is no regular file: a folder, a link, a pipe that nobody reads. */
const inTheWay: ReadonlySet<string | undefined> = new Set(['EISDIR', 'ELOOP', 'ENXIO']);

/**
 * Opens a program's own file for writing, and makes it when there is none. What is in its way and no regular file is set
 * aside. Throws the system's own error, `file_unusable`.
 */
export async function openRegularFileToWrite(path: string, mode = 0o600): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_NONBLOCK, O_NOFOLLOW } = constants;
  const flags = O_WRONLY | O_CREAT | (O_NONBLOCK ?? 0) | (O_NOFOLLOW ?? 0);
  for (const isLast of [false, true]) {
    const file = await open(path, flags, mode).catch((error: NodeJS.ErrnoException) => {
      if (isLast || !inTheWay.has(error.code)) throw error;
      return undefined;
    });
    const isFile = (await file?.stat())?.isFile();
    if (file && isFile) return file;
    await file?.close();
    if (!isLast) await setAside(path);
  }
  throw unusable(path, 'it is not a regular file');
}

/** The bytes of a regular file of at most `bytesMax`. Throws `too_large` before more are read, and what `openRegularFile` throws. */
export async function readRegularFile(
  path: string,
  bytesMax: number,
  options: RegularFileOptions = {},
): Promise<Buffer> {
  const file = await openRegularFile(path, options);
  try {
    const { size } = await file.stat();
    if (size > bytesMax) throw tooLarge(path, bytesMax);
    return await readToEnd(file, path, bytesMax);
  } finally {
    await file.close();
  }
}

/**
 * The bytes of a file that an operator named: also the end of a pipe (`<(…)`), which is waited for as asked. Throws
 * `too_large`, `file_unusable`.
 */
export async function readGivenFile(path: string, bytesMax: number): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY).catch((cause: unknown) => {
    throw unusable(path, unreadableReason(cause), cause);
  });
  try {
    return await readToEnd(file, path, bytesMax);
  } finally {
    await file.close();
  }
}

/** A pipe has no size, and a file can grow while it is read. */
async function readToEnd(file: FileHandle, path: string, bytesMax: number): Promise<Buffer> {
  const { size } = await file.stat();
  let buffer = Buffer.allocUnsafeSlow(Math.min(size, bytesMax) + 1);
  let filled = 0;
  for (;;) {
    const length = Math.min(buffer.length - filled, READ_BYTES_MAX);
    const { bytesRead } = await file.read(buffer, filled, length).catch((cause: unknown) => {
      throw unusable(path, unreadableReason(cause), cause);
    });
    if (bytesRead === 0) return buffer.subarray(0, filled);
    filled += bytesRead;
    if (filled > bytesMax) throw tooLarge(path, bytesMax);
    if (filled < buffer.length) continue;
    const larger = Buffer.allocUnsafeSlow(Math.min(bytesMax + 1, Math.max(2 * filled, GROW_BYTES_MIN)));
    buffer.copy(larger);
    buffer = larger;
  }
}

function unusable(path: string, reason: string, cause: unknown = new Error(reason)): AppError {
  return new AppError('file_unusable', `Cannot read "${path}": ${reason}.`, { cause });
}

function tooLarge(path: string, bytesMax: number): AppError {
  const reason = `it is larger than ${formatBytes(bytesMax)}, the maximum`;
  return new AppError('too_large', `Cannot read "${path}": ${reason}.`, { cause: new Error(reason) });
}
