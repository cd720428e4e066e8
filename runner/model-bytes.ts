/**
 * The bytes of a model, read once. What was hashed is what loads: a file that is exchanged or overwritten in between, by
 * hand or by a failing disk, changes nothing any more (promise P1).
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { openRegularFile, unreadableReason } from '../platform/regular-file.ts';
import { AppError } from '../shared/base/app-error.ts';
import { formatBytes } from '../shared/base/bytes.ts';
import { limits } from '../shared/base/limits.ts';

const READ_BYTES = 4 * 1024 * 1024;

/**
 * Reads `file`. Throws `slot_damaged` when its digest is not `sha256` (or, with one given, it cannot be read), and
 * `model_does_not_load` when it is no file, or a larger one than a version may hold.
 */
export async function readModelBytes(file: string, sha256?: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    // A publisher may keep a model behind a link; an agent does not.
    const handle = await openRegularFile(file, { links: sha256 === undefined });
    try {
      const { bytes, found } = await readHashed(handle);
      if (sha256 === undefined || found === sha256) return bytes;
      throw new Error(`its digest is "${found}", expected "${sha256}"`);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = sha256 === undefined ? 'model_does_not_load' : 'slot_damaged';
    throw new AppError(code, `Cannot load "${basename(file)}": ${unreadableReason(cause)}.`, { cause });
  }
}

/** Gives the memory back now; the collector would leave it until the heap is under pressure. */
export function releaseBytes(bytes: Uint8Array<ArrayBuffer>): void {
  bytes.buffer.transfer(0);
}

async function readHashed(handle: FileHandle) {
  const { size } = await handle.stat();
  if (size > limits.artifactBytesMax) {
    throw new Error(`it has ${formatBytes(size)}, ${formatBytes(limits.artifactBytesMax)} are allowed`);
  }
  const bytes = new Uint8Array(size);
  const hash = createHash('sha256');
  let at = 0;
  while (at < size) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(READ_BYTES, size - at), at);
    if (bytesRead === 0) break;
    hash.update(bytes.subarray(at, at + bytesRead));
    at += bytesRead;
  }
  return { bytes, found: hash.digest('hex') };
}
