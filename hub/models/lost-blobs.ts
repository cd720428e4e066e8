/**
 * The blobs that versions name and the hub does not have, or has cut short, as a copy onto a full disk leaves them. They are looked for at a start, folder by folder of the store, so that
 * neither all names nor all files are held at once. One found bad while the hub runs, or accepted as lost, is known
 * from then on, and keeps no later start from going on; it is forgotten when it is there again.
 */

import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import type { BlobStore } from '../transfer/blob-store.ts';
import type { ModelStore } from './model-store.ts';

export interface LostBlobsProps {
  readonly store: ModelStore;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface MissingBlobs {
  readonly digests: readonly string[];
  /** How many are missing of each version, `model version` → number. */
  readonly versions: ReadonlyMap<string, number>;
}

const prefixes = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

export class LostBlobs {
  readonly #props: LostBlobsProps;

  constructor(props: LostBlobsProps) {
    this.#props = props;
  }

  /** Those not known yet. A manifest is put back from the database. */
  async find(): Promise<MissingBlobs> {
    const { store, blobs, logger } = this.#props;
    let lost = 0;
    for (const digest of await store.blobsLost()) {
      if (await blobs.has(digest)) await store.removeLost(digest);
      else lost += 1;
    }
    if (lost > 0)
      logger.warn(
        { lost },
        'chunks are lost; "modelfleet models publish" of their versions uploads them again',
      );
    const digests = new Set<string>();
    const versions = new Map<string, number>();
    for (const prefix of prefixes) {
      const named = await store.blobsNamed(prefix);
      if (named.length === 0) continue;
      const sizes = await Promise.all(named.map(({ sha256 }) => blobs.size(sha256)));
      for (const [i, { sha256, model, version, bytes }] of named.entries()) {
        const size = sizes[i];
        const isWhole = size !== undefined && size === (bytes ?? size);
        if (isWhole || (await this.#restored(sha256))) continue;
        digests.add(sha256);
        const name = `${model} ${version}`;
        versions.set(name, (versions.get(name) ?? 0) + 1);
      }
    }
    return { digests: [...digests], versions };
  }

  /** From now on nothing waits for these. */
  async accept(digests: readonly string[]): Promise<void> {
    // What is left of them would pass for the whole.
    for (const digest of digests) await this.#props.blobs.delete(digest);
    await this.#props.store.addLost(digests, this.#props.clock.now());
  }

  /** The store found a blob that does not fit its name any more, and took it away. */
  async foundBad(digest: string): Promise<void> {
    const { store, logger } = this.#props;
    try {
      if (await this.#restored(digest)) return;
      logger.error(
        { digest },
        'a chunk on the disk is damaged; "modelfleet models publish" of its version uploads it again',
      );
      // Of an upload that no version names yet nobody waits for it.
      if ((await store.blobsNamed(digest)).length > 0) await this.accept([digest]);
    } catch (error) {
      // The next start names the blob.
      logger.error({ digest, reason: errorText(error) }, 'a lost blob could not be recorded');
    }
  }

  async #restored(digest: string): Promise<boolean> {
    const { store, blobs, logger } = this.#props;
    const bytes = await store.manifestBytes(digest);
    // A row that was damaged as well restores nothing.
    if (bytes === undefined || sha256(bytes) !== digest) return false;
    await blobs.delete(digest);
    await blobs.put(digest, bytes);
    logger.warn(
      { digest },
      'a manifest was missing or truncated on the disk; it was restored from the database',
    );
    return true;
  }
}
