/**
 * Keeps the blobs asked for last in memory, in front of another store: the devices of a wave ask for the same chunks
 * within seconds, and reading and hashing each of them once is enough. Bounded in bytes.
 */
import type { BlobStore } from './blob-store.ts';

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
      reading = this.#read(digest).finally(() => this.#reading.delete(digest));
      this.#reading.set(digest, reading);
    }
    return reading;
  }

  async has(digest: string): Promise<boolean> {
    return this.#kept.has(digest) || this.#store.has(digest);
  }

  async delete(digest: string): Promise<void> {
    await this.#store.delete(digest);
    this.#drop(digest);
  }

  list(prefix: string): Promise<ReadonlySet<string>> {
    return this.#store.list(prefix);
  }

  async #read(digest: string): Promise<Uint8Array | undefined> {
    const bytes = await this.#store.get(digest);
    if (bytes === undefined || bytes.byteLength > this.#bytesMax) return bytes;
    this.#kept.set(digest, bytes);
    this.#bytesKept += bytes.byteLength;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytesKept <= this.#bytesMax) break;
      this.#drop(oldest);
    }
    return bytes;
  }

  #drop(digest: string): void {
    this.#bytesKept -= this.#kept.get(digest)?.byteLength ?? 0;
    this.#kept.delete(digest);
  }
}
