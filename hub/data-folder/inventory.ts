/**
 * What the hub's data folder holds and nothing can recreate, as of one moment: a backup contains all of it. Everything else
 * there (the server certificate, locks, journals of the database) is created again.
 */

/** The database (with what SQLite keeps beside it). It names the identity of each key file, and the blobs of each version. */
export const databaseFile = 'hub.db';

/** The CA that devices know the hub by, and the keys the hub signs with. */
export const keyFiles = [
  'pki/ca.pem',
  'keys/snapshot.pem',
  'keys/timestamp.pem',
  'keys/director.pem',
] as const;
export type KeyFile = (typeof keyFiles)[number];

/** Chunks and manifests of versions, each named by its SHA-256. */
export const blobsFolder = 'blobs';

/** Something of the inventory that is not as it was: `reason` ends the sentence that begins with its path. */
export interface Lack {
  readonly path: string;
  readonly reason: string;
}
