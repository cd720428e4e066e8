/**
 * Content-addressed bytes: chunks and manifests, named by their SHA-256. One implementation now (disk-blob-store.ts);
 * S3-compatible storage will be the second. The contract suite is test/contract/blob-store.ts.
 */
export interface BlobStore {
  /** Stores `bytes` durably under their digest. Throws `bad_input` when the digest does not fit the bytes, `disk_full`. */
  put(digest: string, bytes: Uint8Array): Promise<void>;
  /** The bytes, or undefined when absent. Bytes that no longer fit their digest count as absent and are removed. */
  get(digest: string): Promise<Uint8Array | undefined>;
  has(digest: string): Promise<boolean>;
  /** Bytes that it takes up, not looked into; undefined when absent. */
  size(digest: string): Promise<number | undefined>;
  delete(digest: string): Promise<void>;
  /** Digests of the blobs that are there, not looked into, whose digest begins with these two hex digits. */
  list(prefix: string): Promise<ReadonlySet<string>>;
  /** What writes of such blobs left behind that did not end, those under way among them. */
  unfinished(prefix: string): Promise<UnfinishedBlob[]>;
  removeUnfinished(name: string): Promise<void>;
}

export interface UnfinishedBlob {
  /** For `removeUnfinished`; means nothing else. */
  readonly name: string;
  readonly bytes: number;
  /** When it was written to last, milliseconds since the epoch by the clock of the disk. */
  readonly changedAt: number;
}
