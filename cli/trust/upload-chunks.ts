/** Uploads what the hub lacks of a packed version, a few chunks at a time. */

import { openRegularFile } from '../../platform/regular-file.ts';
import { type BlobQuery, MissingBlobs } from '../../shared/api/blobs.ts';
import { limits } from '../../shared/base/limits.ts';
import { answerParser } from '../answer-parser.ts';
import type { HubClient } from '../context.ts';
import type { PackedVersion } from '../packing/packed-version.ts';

const UPLOADS_AT_ONCE = 4;
const parseMissing = answerParser(MissingBlobs);

interface Piece {
  readonly digest: string;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface UploadProgress {
  readonly sentBytes: number;
  readonly totalBytes: number;
}

/** Returns how many bytes were sent; those that the hub already held are not sent again. */
export async function uploadChunks(
  packed: PackedVersion,
  hub: Pick<HubClient, 'post' | 'putBytes'>,
  onProgress: (progress: UploadProgress) => void,
): Promise<number> {
  const missing = await findMissing(piecesOf(packed), hub);
  const totalBytes = missing.reduce((sum, piece) => sum + piece.bytes, 0);
  let sentBytes = 0;
  const queue = missing.values();
  const work = async (): Promise<void> => {
    for (const piece of queue) {
      await hub.putBytes(`/blobs/${piece.digest}`, await readPiece(piece));
      sentBytes += piece.bytes;
      onProgress({ sentBytes, totalBytes });
    }
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, work));
  return totalBytes;
}

/** Every chunk once, by digest. */
function piecesOf(packed: PackedVersion): ReadonlyMap<string, Piece> {
  const pieces = new Map<string, Piece>();
  for (const { entry, path } of packed.files) {
    for (const [index, digest] of entry.chunks.entries()) {
      const offset = index * limits.chunkBytes;
      pieces.set(digest, { digest, path, offset, bytes: Math.min(limits.chunkBytes, entry.bytes - offset) });
    }
  }
  return pieces;
}

async function findMissing(
  pieces: ReadonlyMap<string, Piece>,
  hub: Pick<HubClient, 'post'>,
): Promise<Piece[]> {
  const digests = [...pieces.keys()];
  const missing: Piece[] = [];
  for (let at = 0; at < digests.length; at += limits.digestsPerQueryMax) {
    const part = digests.slice(at, at + limits.digestsPerQueryMax);
    const answer = parseMissing(await hub.post('/blobs/missing', { digests: part } satisfies BlobQuery));
    for (const digest of answer.missing) {
      const piece = pieces.get(digest);
      if (piece) missing.push(piece);
    }
  }
  return missing;
}

async function readPiece({ path, offset, bytes }: Piece): Promise<Buffer> {
  const file = await openRegularFile(path, { links: true });
  try {
    const buffer = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
