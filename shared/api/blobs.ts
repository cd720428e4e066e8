/** Chunks of a version, uploaded before it is published. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { Digest } from '../base/names.ts';

/** Body and answer of `POST /blobs/missing`. */
export const BlobQuery = Type.Object(
  { digests: Type.Array(Digest, { maxItems: limits.digestsPerQueryMax }) },
  { $id: 'BlobQuery' },
);
export type BlobQuery = Static<typeof BlobQuery>;
export const MissingBlobs = Type.Object({ missing: Type.Array(Digest) }, { $id: 'MissingBlobs' });
export type MissingBlobs = Static<typeof MissingBlobs>;

/** Answer of `PUT /blobs/{sha256}`. */
export const BlobStored = Type.Object({ stored: Digest }, { $id: 'BlobStored' });
