/** The digest of a file and of its chunks, read once from the disk and never whole into memory. */

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { openRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';

export interface ChunkIndex {
  readonly sha256: string;
  readonly bytes: number;
  /** SHA-256 of each piece of `limits.chunkBytes`, the last may be shorter. */
  readonly chunks: readonly string[];
}

/** Throws `too_large` past `limits.artifactBytesMax`, `pack_invalid` for an empty file, or the error of the disk. */
export async function indexChunks(path: string): Promise<ChunkIndex> {
  const file = await openRegularFile(path, { links: true });
  try {
    return await indexFile(file, path);
  } finally {
    await file.close();
  }
}

async function indexFile(file: FileHandle, path: string): Promise<ChunkIndex> {
  const whole = createHash('sha256');
  const chunks: string[] = [];
  const buffer = Buffer.alloc(limits.chunkBytes);
  let bytes = 0;
  for (;;) {
    const filled = await fill(file, buffer);
    if (filled === 0) break;
    bytes += filled;
    if (bytes > limits.artifactBytesMax || chunks.length >= limits.chunksPerArtifactMax) {
      throw new AppError(
        'too_large',
        `Cannot pack "${path}": it is larger than ${formatBytes(limits.artifactBytesMax)}.`,
      );
    }
    const piece = buffer.subarray(0, filled);
    whole.update(piece);
    chunks.push(sha256(piece));
  }
  if (bytes === 0) throw new AppError('pack_invalid', `Cannot pack "${path}": it is empty.`);
  return { sha256: whole.digest('hex'), bytes, chunks };
}

/** Reads until the buffer is full or the file ends: a single read may give less than asked. */
async function fill(file: FileHandle, buffer: Buffer): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
