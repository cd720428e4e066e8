/**
 * Chunks fetched and not yet installed, one file each: what is on disk is the durable bitmap a download resumes from.
 * Files appear complete; they are hashed when they are read, and a damaged one is removed and counts as absent.
 */

import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { listState, makeStateFolder } from '../../platform/state-folder.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';

const CHUNK = /^[0-9a-f]{64}$/;
/** What a write that did not end leaves behind. */
const UNFINISHED = /^[0-9a-f]{64}\.[0-9a-f]+\.tmp$/;

export class ChunkStore {
  readonly #folder: string;
  readonly #present = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Finds what earlier lives of the agent fetched; called once, before anything else. */
  async load(): Promise<void> {
    await makeStateFolder(this.#folder);
    for (const name of await listState(this.#folder, 'files')) {
      if (CHUNK.test(name)) this.#present.add(name);
      else if (UNFINISHED.test(name)) await rm(join(this.#folder, name), { force: true });
    }
  }

  has(digest: string): boolean {
    return this.#present.has(digest);
  }

  /** Stores bytes the caller has checked against `digest`; durable when resolved. Throws `disk_full`. */
  async put(digest: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomic(join(this.#folder, digest), bytes);
    this.#present.add(digest);
  }

  async read(digest: string): Promise<Uint8Array | undefined> {
    if (!this.#present.has(digest)) return undefined;
    const bytes = await readRegularFile(join(this.#folder, digest), limits.manifestBytesMax).catch(
      () => undefined,
    );
    if (bytes !== undefined && sha256(bytes) === digest) return bytes;
    await this.remove([digest]);
    return undefined;
  }

  async remove(digests: Iterable<string>): Promise<void> {
    for (const digest of digests) {
      if (!this.#present.delete(digest)) continue;
      await rm(join(this.#folder, digest), { force: true });
    }
  }

  /** Removes chunks stored before `beforeMs` (file time) that are not `needed`: leftovers of downloads that were given up. */
  async removeOlderThan(beforeMs: number, needed: ReadonlySet<string> = new Set()): Promise<void> {
    for (const digest of [...this.#present].filter((one) => !needed.has(one))) {
      const found = await stat(join(this.#folder, digest)).catch(() => undefined);
      if (found === undefined || found.mtimeMs < beforeMs) await this.remove([digest]);
    }
  }
}
