/**
 * Answers chunk requests. A device gets chunks of versions its desired state names, and of nothing else. What is asked for
 * stands in line until it has its place (chunk-schedule.ts); nobody is sent away, and a place is free again when the socket
 * has taken the chunk or is gone. A device that waits is told so, if it knows the word. A request
 * is acknowledged when it is understood, not when it is served, so a device that stopped reading holds up nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import {
  type ChunkError,
  type ChunkRequest,
  parseChunkRequest,
} from '../../shared/protocol/chunk-transfer.ts';
import { topics } from '../../shared/protocol/topics.ts';
import type { Broker } from '../broker/broker.ts';
import type { RefusalListener } from '../security/refusal.ts';
import type { BlobStore } from './blob-store.ts';
import { ChunkSchedule, type ChunkScheduleOptions, type Sending } from './chunk-schedule.ts';
import type { ChunkOrder } from './device-line.ts';

export interface TransferServiceProps extends ChunkScheduleOptions {
  readonly broker: Pick<Broker, 'send' | 'disconnect' | 'unreadMark'>;
  readonly director: { offered(deviceId: string): Promise<ReadonlySet<string>> };
  readonly versions: { hasChunk(manifestSha256: string, chunkSha256: string): Promise<boolean> };
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refusals?: RefusalListener;
}

/** A request of which something has not been answered. */
interface OpenRequest extends Pick<ChunkRequest, 'request' | 'manifest'> {
  readonly knowsQueue: boolean;
  unanswered: number;
  lacksSome: boolean;
  isTold: boolean;
}

interface Order extends ChunkOrder {
  readonly request: OpenRequest;
}

/** How often those who wait are looked after; nothing happens while nobody does. */
const CHECK_MS = 250;
/** Chunks begun in one turn of the event loop: encrypting one takes some tenths of a millisecond. */
const CHUNKS_PER_TURN = 16;
/** A download counts as moving this long after its last chunk did. */
const MOVING_MS = limits.chunkSilenceMsMax;

export class TransferService {
  readonly #props: TransferServiceProps;
  readonly #log: LimitedLog;
  readonly #schedule: ChunkSchedule<Order>;
  #bytesSent = 0;
  #isStarting = false;
  #isServing = false;
  readonly #closing = new AbortController();

  constructor(props: TransferServiceProps) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
    this.#schedule = new ChunkSchedule(props);
  }

  /** Chunk bytes handed to connections since the start. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Bytes of chunks in memory that are not yet written to a socket. */
  get bytesHeld(): number {
    return this.#schedule.bytesHeld;
  }

  get devicesWaiting(): number {
    return this.#schedule.devicesWaiting;
  }

  /**
   * Until when the device last had to wait for its turn, milliseconds since the epoch, and whether chunks went to it in the
   * last minutes; undefined when it has asked for nothing.
   */
  download(
    deviceId: string,
  ): { readonly waitedUntil: number | undefined; readonly isMoving: boolean } | undefined {
    const { clock, broker } = this.#props;
    const now = clock.monotonic();
    const times = this.#schedule.timesOf(deviceId, now, broker.unreadMark(deviceId));
    if (times === undefined) return undefined;
    const { waitedUntil, movedAt } = times;
    return {
      waitedUntil: waitedUntil === undefined ? undefined : clock.now() - (now - waitedUntil),
      isMoving: movedAt !== undefined && now - movedAt < MOVING_MS,
    };
  }

  /** Looks after nobody any more. What is under way ends with the connections it goes to. */
  close(): void {
    this.#closing.abort();
  }

  /** A message on `chunk/get`. Resolves at once: see the header. */
  async receive(deviceId: string, payload: Uint8Array): Promise<void> {
    let asked: ChunkRequest;
    try {
      asked = parseChunkRequest(payload);
    } catch (error) {
      const reason = `chunk/get: ${errorText(error)}`;
      this.#props.refusals?.refused({ kind: 'payload', actor: `device:${deviceId}`, reason });
      return;
    }
    const { manifest } = asked;
    const digests = new Set(asked.chunks);
    const request: OpenRequest = {
      request: asked.request,
      manifest,
      knowsQueue: asked.queue === true,
      unanswered: 0,
      lacksSome: false,
      isTold: false,
    };
    const orders = [...digests].map((digest) => ({
      digest,
      bytes: digest === manifest ? limits.manifestBytesMax : limits.chunkBytes,
      request,
    }));
    request.unanswered = this.#schedule.ask(deviceId, orders, this.#props.clock.monotonic());
    void this.#start();
  }

  /** Begins what may begin. Never rejects. */
  async #start(): Promise<void> {
    if (this.#isStarting) return;
    this.#isStarting = true;
    for (let begun = 1; ; begun += 1) {
      const sending = this.#schedule.next(this.#props.clock.monotonic());
      if (sending === undefined) break;
      void this.#send(sending);
      if (begun % CHUNKS_PER_TURN === 0) await nextTurn();
    }
    this.#isStarting = false;
    if (this.#schedule.isCongested) void this.#serveWaiting();
  }

  /** One chunk from its place to the socket. Never rejects. */
  async #send(sending: Sending<Order>): Promise<void> {
    const { clock } = this.#props;
    const { deviceId } = sending;
    let bytes: number | undefined;
    try {
      bytes = await this.#deliver(sending);
    } catch (error) {
      // Once for all it asked for: it asks again after its own wait.
      this.#schedule.drop(deviceId, clock.monotonic());
      this.#log.error(deviceId, { deviceId, reason: errorText(error) }, 'chunk request could not be served');
    }
    this.#schedule.done(sending, bytes, clock.monotonic());
    void this.#start();
  }

  /** Bytes that the socket has taken; undefined when there were none to send or nobody to send them to. */
  async #deliver(sending: Sending<Order>): Promise<number | undefined> {
    const { director, versions, blobs, broker, clock } = this.#props;
    const { deviceId, order } = sending;
    const { digest, request } = order;
    const { manifest } = request;
    // Asked now and not when it came: an offer may be withdrawn while a device waits.
    if (!(await director.offered(deviceId)).has(manifest)) {
      this.#schedule.drop(deviceId, clock.monotonic(), (other) => other.request === request);
      await this.#refuse(deviceId, request, 'not_offered');
      return undefined;
    }
    const belongs = digest === manifest || (await versions.hasChunk(manifest, digest));
    const bytes = belongs ? await blobs.get(digest) : undefined;
    let isTaken = false;
    if (bytes !== undefined) {
      this.#schedule.handed(sending, clock.monotonic());
      isTaken = await broker.send(deviceId, topics.chunk(deviceId, digest), bytes, 0);
      if (isTaken) this.#bytesSent += bytes.byteLength;
      // It is gone, or does not read: on its next connection, or after a while, it asks anew.
      else this.#schedule.drop(deviceId, clock.monotonic());
    } else request.lacksSome = true;
    request.unanswered -= 1;
    // Last, because the error ends the request: what was sent has arrived before it.
    if (request.unanswered === 0 && request.lacksSome) await this.#refuse(deviceId, request, 'missing');
    return isTaken ? bytes?.byteLength : undefined;
  }

  /** Tells those who wait, and frees the places of those who take nothing, for as long as anybody waits. */
  async #serveWaiting(): Promise<void> {
    if (this.#isServing || this.#closing.signal.aborted) return;
    this.#isServing = true;
    const { clock, broker } = this.#props;
    while (this.#schedule.isCongested) {
      await clock.sleep(CHECK_MS, this.#closing.signal).catch(() => undefined);
      if (this.#closing.signal.aborted) break;
      const now = clock.monotonic();
      for (const deviceId of this.#schedule.relieve(now, (id) => broker.unreadMark(id))) {
        const message = 'device closed: it takes nothing of what it asked for, and others wait';
        this.#log.warn(deviceId, { deviceId }, message);
        broker.disconnect(deviceId);
      }
      for (const { deviceId, order } of this.#schedule.takeLongWaiting(now)) {
        const { request } = order;
        if (request.isTold || !request.knowsQueue) continue;
        request.isTold = true;
        void this.#answer(deviceId, {
          v: 1,
          request: request.request,
          code: 'queued',
          retryAfterMs: limits.chunkQueuedMs,
        });
      }
      void this.#start();
    }
    this.#isServing = false;
  }

  async #refuse(deviceId: string, { request }: OpenRequest, code: 'not_offered' | 'missing'): Promise<void> {
    this.#log.warn(deviceId, { deviceId, request, code }, 'chunk request refused');
    await this.#answer(deviceId, { v: 1, request, code });
  }

  async #answer(deviceId: string, error: ChunkError): Promise<void> {
    const topic = topics.device(deviceId, 'chunk/error');
    await this.#props.broker.send(deviceId, topic, Buffer.from(JSON.stringify(error)), 0);
  }
}
