/**
 * Brings one version onto the device: its manifest, then the chunks no slot and no earlier try has, after the disk was
 * asked whether it has space for them and for the files they make; then the files, whole and checked, in a slot.
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
  readonly fetcher: Pick<ChunkFetcher, 'fetch' | 'queuedSince'>;
  readonly slots: SlotStore;
  readonly slotChunks: SlotChunks;
  /** Bytes free on the disk of the data folder. */
  readonly freeBytes: () => Promise<number>;
}

export interface DownloadProgress {
  /** Absent until its manifest says what there is to fetch. */
  readonly bytesHave?: number;
  readonly bytesTotal?: number;
  /** Since when it has stood in line at the hub, milliseconds since the epoch; absent when it does not. */
  readonly queuedSince?: number;
}

/** A download under way: the space it will still need is reserved for it. */
interface Wanted {
  readonly missing: ReadonlyMap<string, number>;
  readonly bytesTotal: number;
}

export class VersionDownload {
  readonly #props: VersionDownloadProps;
  /** By manifest digest. */
  readonly #wanted = new Map<string, Wanted>();

  constructor(props: VersionDownloadProps) {
    this.#props = props;
  }

  /** How far the version's download is, while it is under way. */
  progress(manifestSha256: string): DownloadProgress {
    const wanted = this.#wanted.get(manifestSha256);
    const queuedSince = this.#props.fetcher.queuedSince(manifestSha256);
    return {
      ...(wanted && {
        bytesHave: wanted.bytesTotal - this.#bytesMissing(wanted),
        bytesTotal: wanted.bytesTotal,
      }),
      ...(queuedSince !== undefined && { queuedSince }),
    };
  }

  /** How many chunks of the version earlier tries have brought, its manifest counted as one. */
  async chunksHeld(manifestSha256: string): Promise<number> {
    const { chunks } = this.#props;
    return [...(await this.#chunksOf(manifestSha256))].filter((digest) => chunks.has(digest)).length;
  }

  /**
   * Removes chunks that were stored before `beforeMs` for downloads that were given up. Those of the versions in `pinned` stay:
   * an update that waits for long must neither lose what it has nor keep what others left.
   */
  async dropLeftovers(pinned: ReadonlySet<string>, beforeMs: number): Promise<void> {
    const needed = new Set<string>();
    for (const manifest of pinned) for (const digest of await this.#chunksOf(manifest)) needed.add(digest);
    await this.#props.chunks.removeOlderThan(beforeMs, needed);
  }

  /** Digests of the version's chunks, the manifest among them; of one whose manifest is not there, that alone. */
  async #chunksOf(manifestSha256: string): Promise<ReadonlySet<string>> {
    const bytes = await this.#props.chunks.read(manifestSha256);
    const files = bytes === undefined ? [] : parseManifest(bytes).files;
    return new Set([manifestSha256, ...files.flatMap((file) => file.chunks)]);
  }

  /** Makes every chunk of the version present. Throws `not_enough_space` and what ChunkFetcher throws. */
  async fetch(manifestSha256: string, signal: AbortSignal): Promise<void> {
    if (await this.#isInstalled(manifestSha256)) return;
    await this.#props.fetcher.fetch(manifestSha256, [manifestSha256], signal);
    const manifest = parseManifest(await this.#readManifest(manifestSha256));
    await this.#props.slotChunks.refresh();
    const missing = await this.#missing(manifest, signal);
    const wanted = { missing, bytesTotal: totalBytes(manifest) };
    this.#wanted.set(manifestSha256, wanted);
    try {
      await this.#checkSpace(manifest, wanted);
      const toFetch = [...missing.keys()].filter((digest) => !this.#props.chunks.has(digest));
      await this.#props.fetcher.fetch(manifestSha256, toFetch, signal);
    } finally {
      this.#wanted.delete(manifestSha256);
    }
  }

  /** Makes a slot of the fetched chunks, which are then dropped. Throws `artifact_digest_mismatch`, `chunk_decayed`. */
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

  async #checkSpace(manifest: ModelManifest, own: Wanted): Promise<void> {
    const others = [...this.#wanted.values()].filter((wanted) => wanted !== own);
    const promised = sum(others.map((wanted) => this.#bytesStillNeeded(wanted)));
    const wanted = this.#bytesStillNeeded(own) + promised + limits.freeSpaceMarginBytes;
    const free = await this.#props.freeBytes();
    if (free >= wanted) return;
    const beside = promised > 0 ? ` (${formatBytes(promised)} of it for other downloads in progress)` : '';
    throw new AppError(
      'not_enough_space',
      `Cannot install "${manifest.model}" ${manifest.version}: it needs ${formatBytes(wanted)} of disk space${beside}, but only ${formatBytes(free)} is free.`,
      { details: { bytesWanted: wanted, bytesFree: free } },
    );
  }

  #bytesMissing({ missing }: Wanted): number {
    return sum([...missing].map(([digest, bytes]) => (this.#props.chunks.has(digest) ? 0 : bytes)));
  }

  /** Chunks to come, and then the files they make. */
  #bytesStillNeeded(wanted: Wanted): number {
    return this.#bytesMissing(wanted) + wanted.bytesTotal;
  }
}

/** A chunk that was there is gone or damaged: `fetch` brings it again. */
function lost(digest: string): AppError {
  return new AppError(
    'chunk_decayed',
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
