/**
 * Brings one version onto the device: its manifest, then the chunks no slot and no earlier try has, after the disk was
 * asked whether it has room for them and for the files they make; then the files, whole and checked, in a slot.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { type ModelManifest, parseManifest } from '../../shared/manifest/model-manifest.ts';
import type { Slot } from '../slots/slot.ts';
import type { SlotChunks } from '../slots/slot-chunks.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import type { ChunkFetcher } from './chunk-fetcher.ts';
import type { ChunkStore } from './chunk-store.ts';

export interface VersionDownloadProps {
  readonly chunks: ChunkStore;
  readonly fetcher: Pick<ChunkFetcher, 'fetch'>;
  readonly slots: SlotStore;
  readonly slotChunks: SlotChunks;
  /** Bytes free on the disk of the data folder. */
  readonly freeBytes: () => Promise<number>;
}

export interface DownloadProgress {
  readonly bytesHave: number;
  readonly bytesTotal: number;
}

export class VersionDownload {
  readonly #props: VersionDownloadProps;
  #current:
    | {
        readonly manifest: string;
        readonly missing: ReadonlyMap<string, number>;
        readonly bytesTotal: number;
      }
    | undefined;

  constructor(props: VersionDownloadProps) {
    this.#props = props;
  }

  /** How far the version's download is, as long as it is the one worked on last. */
  progress(manifestSha256: string): DownloadProgress | undefined {
    if (this.#current?.manifest !== manifestSha256) return undefined;
    const { missing, bytesTotal } = this.#current;
    let bytesMissing = 0;
    for (const [digest, bytes] of missing) if (!this.#props.chunks.has(digest)) bytesMissing += bytes;
    return { bytesHave: bytesTotal - bytesMissing, bytesTotal };
  }

  /** Makes every chunk of the version present. Throws `not_enough_space` and what ChunkFetcher throws. */
  async fetch(manifestSha256: string, signal: AbortSignal): Promise<void> {
    if (await this.#isInstalled(manifestSha256)) return;
    await this.#props.fetcher.fetch(manifestSha256, [manifestSha256], signal);
    const manifest = parseManifest(await this.#readManifest(manifestSha256));
    await this.#props.slotChunks.refresh();
    const missing = await this.#missing(manifest, signal);
    const bytesTotal = totalBytes(manifest);
    this.#current = { manifest: manifestSha256, missing, bytesTotal };
    const toFetch = [...missing].filter(([digest]) => !this.#props.chunks.has(digest));
    await this.#checkSpace(manifest, sum(toFetch.map(([, bytes]) => bytes)) + bytesTotal);
    await this.#props.fetcher.fetch(
      manifestSha256,
      toFetch.map(([digest]) => digest),
      signal,
    );
  }

  /** Makes a slot of the fetched chunks, which are then dropped. Throws `artifact_digest_mismatch`, `chunk_missing`. */
  async install(manifestSha256: string, signal: AbortSignal): Promise<Slot> {
    const { chunks, slots, slotChunks } = this.#props;
    if (await this.#isInstalled(manifestSha256)) return slots.verify(manifestSha256);
    const manifestBytes = await this.#readManifest(manifestSha256);
    await slotChunks.refresh();
    const read = async (digest: string): Promise<Uint8Array> => {
      const bytes = (await chunks.read(digest)) ?? (await slotChunks.read(digest));
      if (bytes === undefined) throw lost(digest);
      return bytes;
    };
    const slot = await slots.install(manifestBytes, read, signal);
    await chunks.remove([manifestSha256, ...slot.manifest.files.flatMap((file) => file.chunks)]);
    return slot;
  }

  async #isInstalled(manifestSha256: string): Promise<boolean> {
    return this.#props.slots.verify(manifestSha256).then(
      () => true,
      () => false,
    );
  }

  async #readManifest(manifestSha256: string): Promise<Uint8Array> {
    const bytes = await this.#props.chunks.read(manifestSha256);
    if (bytes === undefined) throw lost(manifestSha256);
    return bytes;
  }

  /** Chunks to fetch or fetched, with their sizes; not those that a slot holds intact. */
  async #missing(manifest: ModelManifest, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const missing = new Map<string, number>();
    for (const file of manifest.files) {
      for (const [i, digest] of file.chunks.entries()) {
        signal.throwIfAborted();
        if (!this.#props.chunks.has(digest) && (await this.#props.slotChunks.read(digest))) continue;
        missing.set(digest, Math.min(limits.chunkBytes, file.bytes - i * limits.chunkBytes));
      }
    }
    return missing;
  }

  async #checkSpace(manifest: ModelManifest, bytesWanted: number): Promise<void> {
    const wanted = bytesWanted + limits.freeSpaceMarginBytes;
    const free = await this.#props.freeBytes();
    if (free >= wanted) return;
    throw new AppError(
      'not_enough_space',
      `Cannot install "${manifest.model}" ${manifest.version}: it needs ${formatBytes(wanted)} of disk, ${formatBytes(free)} are free.`,
      { details: { bytesWanted: wanted, bytesFree: free } },
    );
  }
}

/** A chunk that was there is gone or damaged: `fetch` brings it again. */
function lost(digest: string): AppError {
  return new AppError(
    'chunk_missing',
    `Cannot install the version: its chunk "${digest}" is no longer readable on this device.`,
  );
}

function totalBytes(manifest: ModelManifest): number {
  return sum(manifest.files.map((file) => file.bytes));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
