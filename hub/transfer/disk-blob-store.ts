/**
 * Blobs as files: `<folder>/<first two hex digits>/<digest>`. A file appears only complete (written beside, flushed,
 * renamed) and is checked against its name each time it is read, so a bad disk costs a missing blob, never a wrong one.
 */

import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { setAside } from '../../platform/set-aside.ts';
import { listState, makeStateFolder } from '../../platform/state-folder.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import type { BlobStore, UnfinishedBlob } from './blob-store.ts';

const DIGEST = /^[0-9a-f]{64}$/;
/** What writeFileAtomic leaves beside a file when the power goes. */
const UNFINISHED = /^[0-9a-f]{64}\.[0-9a-f]+\.tmp$/;
/** A blob is a chunk or a manifest. */
const BLOB_BYTES_MAX = Math.max(limits.chunkBytes, limits.manifestBytesMax);

export class DiskBlobStore implements BlobStore {
  readonly #folder: string;
  readonly #onBad: (digest: string) => void;
  readonly #fanOutMade = new Set<string>();

  /** `folder` is made when absent. `onBad` receives a blob that is gone because it did not fit its digest or could not be read. */
  constructor(folder: string, onBad: (digest: string) => void = () => undefined) {
    this.#folder = folder;
    this.#onBad = onBad;
  }

  async put(digest: string, bytes: Uint8Array): Promise<void> {
    const path = this.#pathOf(digest);
    const found = sha256(bytes);
    if (found !== digest) {
      throw new AppError(
        'bad_input',
        `Cannot store blob "${digest}": its ${bytes.byteLength} bytes have digest "${found}".`,
      );
    }
    if (await this.has(digest)) return;
    const fanOut = join(this.#folder, digest.slice(0, 2));
    if (!this.#fanOutMade.has(fanOut)) {
      await makeStateFolder(fanOut);
      await syncFolder(this.#folder);
      this.#fanOutMade.add(fanOut);
    }
    await writeFileAtomic(path, bytes);
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    const path = this.#pathOf(digest);
    const bytes = await readRegularFile(path, BLOB_BYTES_MAX).catch(async (error: unknown) => {
      // What cannot be read counts as absent, and makes way for the same blob sent again.
      if (!isAppError(error)) return whenAbsent(undefined)(error as NodeJS.ErrnoException);
      await setAside(path).catch(() => undefined);
      this.#onBad(digest);
      return undefined;
    });
    if (bytes === undefined || sha256(bytes) === digest) return bytes;
    await rm(path, { force: true });
    this.#onBad(digest);
    return undefined;
  }

  async has(digest: string): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  async size(digest: string): Promise<number | undefined> {
    const found = await stat(this.#pathOf(digest)).catch(whenAbsent(undefined));
    return found?.isFile() ? found.size : undefined;
  }

  async delete(digest: string): Promise<void> {
    await rm(this.#pathOf(digest), { force: true });
  }

  async list(prefix: string): Promise<ReadonlySet<string>> {
    const names = await listState(join(this.#folder, prefix), 'files');
    return new Set(names.filter((name) => DIGEST.test(name)));
  }

  async unfinished(prefix: string): Promise<UnfinishedBlob[]> {
    const folder = join(this.#folder, prefix);
    const found: UnfinishedBlob[] = [];
    for (const name of await listState(folder, 'files')) {
      if (!UNFINISHED.test(name)) continue;
      const file = await stat(join(folder, name)).catch(whenAbsent(undefined));
      if (file) found.push({ name, bytes: file.size, changedAt: file.mtimeMs });
    }
    return found;
  }

  async removeUnfinished(name: string): Promise<void> {
    if (!UNFINISHED.test(name))
      throw new AppError(
        'bad_input',
        'Cannot remove the file: it is not one that an interrupted write left.',
      );
    await rm(join(this.#folder, name.slice(0, 2), name), { force: true });
  }

  /** A digest becomes a file name, so nothing but a digest may pass. */
  #pathOf(digest: string): string {
    if (!DIGEST.test(digest)) {
      throw new AppError(
        'bad_input',
        `Cannot use "${digest.slice(0, 80)}" as a digest: expected 64 lower-case hex digits.`,
      );
    }
    return join(this.#folder, digest.slice(0, 2), digest);
  }
}

function whenAbsent<T>(value: T) {
  return (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
