/**
 * Chunks that are already on the device as parts of installed files. A version that shares bytes with one of the slots
 * (a new head on old layers, the same golden samples) is not fetched whole.
 */

import { join } from 'node:path';
import { openRegularFile, readRegularFile } from '../../platform/regular-file.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { parseManifest } from '../../shared/manifest/model-manifest.ts';
import { manifestFileName, type SlotStore } from './slot-store.ts';

interface Place {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

export class SlotChunks {
  readonly #slots: SlotStore;
  #places = new Map<string, Place>();

  constructor(slots: SlotStore) {
    this.#slots = slots;
  }

  /** Looks through the slots on disk again; called before each download. */
  async refresh(): Promise<void> {
    const places = new Map<string, Place>();
    for (const digest of await this.#slots.onDisk()) {
      const folder = join(this.#slots.folder, digest);
      const manifest = await readRegularFile(join(folder, manifestFileName), limits.manifestBytesMax)
        .then(parseManifest)
        .catch(() => undefined);
      for (const file of manifest?.files ?? []) {
        for (const [i, chunk] of file.chunks.entries()) {
          const offset = i * limits.chunkBytes;
          const bytes = Math.min(limits.chunkBytes, file.bytes - offset);
          places.set(chunk, { path: join(folder, file.path), offset, bytes });
        }
      }
    }
    this.#places = places;
  }

  /** The chunk's bytes, checked against their digest; undefined when no slot has them (any more). */
  async read(digest: string): Promise<Uint8Array | undefined> {
    const place = this.#places.get(digest);
    if (place === undefined) return undefined;
    const file = await openRegularFile(place.path).catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const bytes = new Uint8Array(place.bytes);
      const { bytesRead } = await file.read(bytes, 0, place.bytes, place.offset);
      return bytesRead === place.bytes && sha256(bytes) === digest ? bytes : undefined;
    } finally {
      await file.close();
    }
  }
}
