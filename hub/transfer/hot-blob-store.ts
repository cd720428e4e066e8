/**
 * Keeps the blobs asked for last in memory, in front of another store: the devices of a wave ask for the same chunks
 * within seconds, and reading and hashing each of them once is enough. Bounded in bytes.
 */
import type { BlobStore, UnfinishedBlob } from './blob-store.ts';

export class HotBlobStore implements BlobStore {
  readonly #store: BlobStore;
  readonly #bytesMax: number;
  /** In order of last use; a Map keeps insertion order. */
  readonly #kept = new Map<string, Uint8Array>();
  /** Reads under way, so that a wave's first requests share one. */
  readonly #reading = new Map<string, Promise<Uint8Array | undefined>>();
  #bytesKept = 0;

  constructor(props: { readonly store: BlobStore; readonly bytesMax: number }) {
    this.#store = props.store;
    this.#bytesMax = props.bytesMax;
  }

  get bytesKept(): number {
    return this.#bytesKept;
  }

  put(digest: string, bytes: Uint8Array): Promise<void> {
    return this.#store.put(digest, bytes);
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(digest);
    if (kept !== undefined) {
      this.#kept.delete(digest);
      this.#kept.set(digest, kept);
      return kept;
    }
    let reading = this.#reading.get(digest);
    if (reading === undefined) {
      reading = this.#store.get(digest).then((bytes) => {
        // Deleted meanwhile: what was read is given to who asked, and not kept.
        if (this.#reading.get(digest) !== reading) return bytes;
        this.#reading.delete(digest);
        this.#keep(digest, bytes);
        return bytes;
      });
      reading.catch(() => this.#reading.delete(digest));
      this.#reading.set(digest, reading);
    }
    return reading;
  }

  /** By the store: what is in memory may be gone from there. */
  has(digest: string): Promise<boolean> {
    return this.#store.has(digest);
  }

  size(digest: string): Promise<number | undefined> {
    return this.#store.size(digest);
  }

  async delete(digest: string): Promise<void> {
    await this.#store.delete(digest);
    this.#reading.delete(digest);
    this.#drop(digest);
  }

  list(prefix: string): Promise<ReadonlySet<string>> {
    return this.#store.list(prefix);
  }

  unfinished(prefix: string): Promise<UnfinishedBlob[]> {
    return this.#store.unfinished(prefix);
  }

  removeUnfinished(name: string): Promise<void> {
    return this.#store.removeUnfinished(name);
  }

  #keep(digest: string, bytes: Uint8Array | undefined): void {
    if (bytes === undefined || bytes.byteLength > this.#bytesMax) return;
    this.#kept.set(digest, bytes);
    this.#bytesKept += bytes.byteLength;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytesKept <= this.#bytesMax) break;
      this.#drop(oldest);
    }
  }

  #drop(digest: string): void {
    this.#bytesKept -= this.#kept.get(digest)?.byteLength ?? 0;
    this.#kept.delete(digest);
  }
}
