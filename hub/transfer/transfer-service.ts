/**
 * Answers chunk requests. A device gets chunks of versions its desired state names, and of nothing else. Bounded three
 * ways: chunks under way to one device, devices served at once, and what a connection may have unread (the broker's).
 * Over a bound the answer is "busy, ask again after a while", spread at random; it is no failure of the device. A request
 * is acknowledged when it is understood, not when it is served, so a device that stopped reading holds up nothing.
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import {
  type ChunkError,
  type ChunkRequest,
  parseChunkRequest,
} from '../../shared/protocol/chunk-transfer.ts';
import { topics } from '../../shared/protocol/topics.ts';
import type { Broker } from '../broker/broker.ts';
import type { BlobStore } from './blob-store.ts';

export interface TransferServiceProps {
  readonly broker: Pick<Broker, 'send'>;
  readonly director: { offered(deviceId: string): Promise<ReadonlySet<string>> };
  readonly versions: { hasChunk(manifestSha256: string, chunkSha256: string): Promise<boolean> };
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Devices served at once. Default `limits.downloadsAtOnceMax`. */
  readonly downloadsAtOnceMax?: number;
}

interface Download {
  /** Chunks read or written for the device right now. */
  underWay: number;
  /** When a chunk last reached the socket or a request was taken, monotonic milliseconds. */
  movedAt: number;
}

/** A download that has not moved for so long no longer counts: the device finished, left or stopped reading. */
const IDLE_MS = 5_000;
/** A device counts a chunk as come before the write's callback tells us so: twice its credit is still no more than it. */
const CHUNKS_UNDER_WAY_MAX = 2 * limits.chunksInFlightPerDevice;
const BUSY_FIRST_MS = 1_000;
const BUSY_SPREAD_MS = 4_000;

export class TransferService {
  readonly #props: TransferServiceProps;
  readonly #downloadsMax: number;
  readonly #downloads = new Map<string, Download>();
  #bytesSent = 0;

  constructor(props: TransferServiceProps) {
    this.#props = props;
    this.#downloadsMax = Math.min(
      props.downloadsAtOnceMax ?? Number.POSITIVE_INFINITY,
      limits.downloadsAtOnceMax,
    );
  }

  /** Chunk bytes handed to connections since the start. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** A message on `chunk/get`. Resolves at once: see the header. */
  async receive(deviceId: string, payload: Uint8Array): Promise<void> {
    let request: ChunkRequest;
    try {
      request = parseChunkRequest(payload);
    } catch (error) {
      this.#props.logger.warn({ deviceId, reason: errorText(error) }, 'chunk request was not understood');
      return;
    }
    const download = this.#admit(deviceId, request);
    if (download === undefined) {
      const retryAfterMs = Math.round(BUSY_FIRST_MS + this.#props.random() * BUSY_SPREAD_MS);
      void this.#refuse(deviceId, request, 'busy', retryAfterMs);
      return;
    }
    this.#serve(deviceId, request, download)
      .catch((error: unknown) => {
        // The device asks again after its own wait.
        this.#props.logger.error({ deviceId, reason: errorText(error) }, 'chunk request could not be served');
      })
      .finally(() => {
        download.underWay -= request.chunks.length;
      });
  }

  /** Takes the request into account; undefined when it is over a bound. */
  #admit(deviceId: string, request: ChunkRequest): Download | undefined {
    const now = this.#props.clock.monotonic();
    let download = this.#downloads.get(deviceId);
    if (download === undefined) {
      this.#forgetIdle(now);
      if (this.#downloads.size >= this.#downloadsMax) return undefined;
      download = { underWay: 0, movedAt: now };
    }
    if (download.underWay + request.chunks.length > CHUNKS_UNDER_WAY_MAX) return undefined;
    download.underWay += request.chunks.length;
    download.movedAt = now;
    this.#downloads.set(deviceId, download);
    return download;
  }

  /**
   * Frees the places of downloads that do not move. What a device that stopped reading still has under way stays counted
   * against it through its connection, whose unread bytes the broker bounds.
   */
  #forgetIdle(now: number): void {
    for (const [deviceId, { movedAt }] of this.#downloads) {
      if (now - movedAt > IDLE_MS) this.#downloads.delete(deviceId);
    }
  }

  async #serve(deviceId: string, request: ChunkRequest, download: Download): Promise<void> {
    const { director, versions, blobs, broker, clock } = this.#props;
    const { manifest } = request;
    if (!(await director.offered(deviceId)).has(manifest))
      return this.#refuse(deviceId, request, 'not_offered');
    // The requested chunks are read side by side and written one after the other.
    const found = await Promise.all(
      request.chunks.map(async (digest) => {
        const belongs = digest === manifest || (await versions.hasChunk(manifest, digest));
        return belongs ? await blobs.get(digest) : undefined;
      }),
    );
    for (const [i, bytes] of found.entries()) {
      if (bytes === undefined) continue;
      const isTaken = await broker.send(deviceId, topics.chunk(deviceId, request.chunks[i]!), bytes, 0);
      if (!isTaken) return;
      this.#bytesSent += bytes.byteLength;
      download.movedAt = clock.monotonic();
    }
    // Last, because the error takes back the request: what was sent has arrived before it.
    if (found.includes(undefined)) await this.#refuse(deviceId, request, 'missing');
  }

  async #refuse(
    deviceId: string,
    { request }: ChunkRequest,
    code: ChunkError['code'],
    retryAfterMs?: number,
  ): Promise<void> {
    if (code !== 'busy') this.#props.logger.warn({ deviceId, request, code }, 'chunk request refused');
    const error: ChunkError = { v: 1, request, code, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    const topic = topics.device(deviceId, 'chunk/error');
    await this.#props.broker.send(deviceId, topic, Buffer.from(JSON.stringify(error)), 0);
  }
}
