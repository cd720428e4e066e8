/**
 * Pulls chunks with credit: never more are asked for and not come than the line brings in a few seconds (line-estimate.ts),
 * one for each download on a slow line, at most `limits.chunksInFlightPerDevice`. Downloads of several models share the line
 * and nothing else: each gets its part of the credit in turn, and one that waits, is refused or goes wrong holds up none of
 * the others. Each chunk is hashed on arrival and stored before its credit is given back.
 * The connection loses no bytes and keeps their order, so a chunk is asked for again only when the line was silent for
 * long, or has brought more than can have been before it, and never for two downloads. What stands in line at the hub is waited
 * for as long as the hub says, and its time says nothing of the line. Silence is therefore never an error here: it ends when the caller gives up through its signal.
 */

import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { retrySchedule } from '../../shared/base/retry-schedule.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { type ChunkError, type ChunkRequest, parseChunkError } from '../../shared/protocol/chunk-transfer.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { ChunkTransport } from './chunk-transport.ts';
import type { Asked, Fetch } from './fetch.ts';
import { LineEstimate } from './line-estimate.ts';

export interface ChunkFetcherProps {
  readonly transport: ChunkTransport;
  readonly store: ChunkStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Shortest silence of the line after which a chunk counts as lost. Default `limits.chunkAnswerMs`. */
  readonly answerMs?: number;
  /** Bytes a second, on average over a few chunks; 0 or absent: as fast as it comes. */
  readonly bytesPerSecondMax?: () => number;
}

const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 60_000;
/** A chunk the hub says it lacks is asked for this often; an upload may still be under way. */
const MISSING_ANSWERS_MAX = 3;
/** Fewer bytes than this are acknowledgements and pings, no chunk. */
const MOVED_BYTES_MIN = 512;
/** The hub has at most twice the credit under way to one device: after so many bytes a chunk was passed over. */
const BYTES_AHEAD_MAX = 2 * limits.chunksInFlightPerDevice * limits.chunkBytes;

export class ChunkFetcher {
  readonly #props: ChunkFetcherProps;
  readonly #log: LimitedLog;
  readonly #line: LineEstimate;
  /** When the connection was last found to have brought something, and how much by then. */
  #progress = { at: 0, bytes: 0 };
  /** When a chunk was last there whole. */
  #arrivedAt = 0;
  /** Downloads under way; the one that has waited longest for credit comes first. */
  readonly #fetches = new Set<Fetch>();
  #request = 0;
  /** What has come is paid for, in time, by then; nothing more is asked for before. */
  #paidUntil = 0;

  constructor(props: ChunkFetcherProps) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
    this.#line = new LineEstimate({ silenceMsMin: props.answerMs ?? limits.chunkAnswerMs });
  }

  /**
   * Resolves when all `chunks` are stored. Throws `chunk_digest_mismatch`, `chunk_missing`, `version_not_offered`,
   * `disk_full`, or the signal's reason.
   */
  async fetch(manifest: string, chunks: readonly string[], signal: AbortSignal): Promise<void> {
    const fetch: Fetch = {
      manifest,
      waiting: [...new Set(chunks)].filter((digest) => !this.#props.store.has(digest)),
      inFlight: new Map(),
      late: new Set(),
      storing: new Set(),
      bad: new Map(),
      pauseUntil: 0,
      missingAnswers: 0,
      fault: undefined,
      waits: this.#newWaits(),
      queuedSince: undefined,
      sleep: new WakeableSleep(this.#props.clock),
    };
    this.#fetches.add(fetch);
    try {
      while (fetch.waiting.length + fetch.inFlight.size > 0) {
        signal.throwIfAborted();
        if (fetch.fault !== undefined) throw fetch.fault;
        // One look at the clock for all three: a pause that ended between two would be waited for by nobody.
        const now = this.#props.clock.monotonic();
        this.#reclaimCredit(fetch, now);
        this.#shareCredit(now);
        await this.#sleepUntilNews(fetch, now, signal);
      }
      if (fetch.fault !== undefined) throw fetch.fault;
    } finally {
      this.#fetches.delete(fetch);
      // Its credit is free for the others.
      for (const other of this.#fetches) other.sleep.wake();
    }
  }

  /** Since when the download of this version has stood in line at the hub, milliseconds since the epoch; undefined when it does not. */
  queuedSince(manifest: string): number | undefined {
    for (const fetch of this.#fetches) {
      if (fetch.manifest === manifest && fetch.queuedSince !== undefined) return fetch.queuedSince;
    }
    return undefined;
  }

  /** A chunk came. Hostile until hashed: the topic's digest is a claim. */
  receive(digest: string, payload: Uint8Array): void {
    // Versions that share bytes may wait for the same chunk.
    const waiting = [...this.#fetches].filter((f) => !f.storing.has(digest) && this.#wants(f, digest));
    if (waiting.length === 0) return;
    if (sha256(payload) !== digest) {
      for (const fetch of waiting) this.#receiveBad(fetch, digest);
      return;
    }
    this.#measure(waiting, digest, payload.byteLength);
    this.#pay(payload.byteLength);
    for (const fetch of waiting) {
      fetch.storing.add(digest);
      fetch.queuedSince = undefined;
    }
    const stored = this.#props.store.put(digest, payload);
    for (const fetch of waiting) {
      stored
        .then(
          () => {
            fetch.waits = this.#newWaits();
            fetch.missingAnswers = 0;
          },
          (error: unknown) => {
            fetch.fault = error;
          },
        )
        .finally(() => {
          fetch.storing.delete(digest);
          fetch.inFlight.delete(digest);
          fetch.sleep.wake();
        });
    }
  }

  receiveError(payload: Uint8Array): void {
    let answer: ChunkError;
    try {
      answer = parseChunkError(payload);
    } catch (error) {
      this.#log.warn('', { reason: errorText(error) }, 'chunk error message was not understood');
      return;
    }
    for (const fetch of this.#fetches) {
      const answered = [...fetch.inFlight].filter(
        ([digest, { request }]) => request === answer.request && !fetch.storing.has(digest),
      );
      if (answered.length === 0) continue;
      if (answer.code === 'queued') this.#queued(fetch, answer, answered);
      else {
        this.#refused(
          fetch,
          answer,
          answered.map(([digest]) => digest),
        );
      }
    }
  }

  #queued(fetch: Fetch, { retryAfterMs }: ChunkError, queued: readonly (readonly [string, Asked])[]): void {
    const waitMs = retryAfterMs ?? limits.chunkQueuedMs;
    for (const [, asked] of queued) asked.queuedUntil = this.#props.clock.monotonic() + waitMs;
    fetch.queuedSince ??= this.#props.clock.now();
    const message = 'chunks stand in line: the hub serves other devices';
    this.#log.info(fetch.manifest, { chunks: queued.length }, message);
    fetch.sleep.wake();
  }

  #refused(fetch: Fetch, answer: ChunkError, refused: readonly string[]): void {
    for (const digest of refused) this.#putBack(fetch, digest);
    fetch.queuedSince = undefined;
    if (answer.code === 'not_offered') {
      fetch.fault = new AppError(
        'version_not_offered',
        `Cannot fetch version "${fetch.manifest}": the hub does not offer it to this device.`,
      );
    } else if (answer.code === 'missing') {
      fetch.missingAnswers += 1;
      if (fetch.missingAnswers >= MISSING_ANSWERS_MAX) {
        const names = refused.map((digest) => digest.slice(0, 12)).join(', ');
        fetch.fault = new AppError(
          'chunk_missing',
          `Cannot fetch version "${fetch.manifest}": the hub lacks at least one of its chunks ${names}.`,
        );
      }
    }
    const wait = answer.retryAfterMs ?? fetch.waits.next().value;
    fetch.pauseUntil = this.#props.clock.monotonic() + wait;
    this.#props.logger.debug(
      { code: answer.code, waitMs: wait },
      'hub answered a chunk request with an error',
    );
    fetch.sleep.wake();
  }

  /** The connection came or went: what was asked for on the old one will not come. */
  linkChanged(): void {
    for (const fetch of this.#fetches) {
      for (const digest of [...fetch.inFlight.keys()]) this.#putBack(fetch, digest);
      fetch.pauseUntil = 0;
      fetch.queuedSince = undefined;
      fetch.sleep.wake();
    }
  }

  /** True for a chunk asked for; one that was given up, or that another download asked for, has its credit from now on. */
  #wants(fetch: Fetch, digest: string): boolean {
    if (fetch.inFlight.has(digest)) return true;
    const at = fetch.waiting.indexOf(digest);
    if (at < 0) return false;
    fetch.waiting.splice(at, 1);
    fetch.inFlight.set(digest, this.#asked(0));
    return true;
  }

  #measure(fetches: readonly Fetch[], digest: string, bytes: number): void {
    const now = this.#props.clock.monotonic();
    const asked = fetches.map(({ inFlight }) => inFlight.get(digest)!);
    // The chunks before it had the line until the last of them was there.
    const began = Math.max(this.#arrivedAt, Math.min(...asked.map(({ at }) => at)));
    const waitedElsewhere = asked.some(({ queuedUntil }) => queuedUntil !== undefined);
    if (!waitedElsewhere && !fetches.some(({ late }) => late.has(digest)))
      this.#line.arrived(bytes, now - began);
    this.#arrivedAt = now;
  }

  #receiveBad(fetch: Fetch, digest: string): void {
    const count = (fetch.bad.get(digest) ?? 0) + 1;
    fetch.bad.set(digest, count);
    const total = [...fetch.bad.values()].reduce((sum, n) => sum + n, 0);
    this.#log.warn(
      fetch.manifest,
      { digest, count, total },
      'a chunk arrived with bytes that do not match its digest',
    );
    this.#putBack(fetch, digest);
    if (total >= limits.badChunksMax) {
      fetch.fault = new AppError(
        'chunk_digest_mismatch',
        `Cannot fetch version "${fetch.manifest}": ${total} chunks arrived with bytes that do not match their digest.`,
      );
    }
    fetch.pauseUntil = this.#props.clock.monotonic() + fetch.waits.next().value;
    fetch.sleep.wake();
  }

  #pay(bytes: number): void {
    const { clock } = this.#props;
    const bytesPerSecondMax = this.#props.bytesPerSecondMax?.();
    if (!bytesPerSecondMax) return;
    this.#paidUntil = Math.max(this.#paidUntil, clock.monotonic()) + (bytes / bytesPerSecondMax) * 1_000;
  }

  #putBack(fetch: Fetch, digest: string): void {
    if (fetch.storing.has(digest)) return;
    fetch.inFlight.delete(digest);
    fetch.waiting.unshift(digest);
  }

  #reclaimCredit(fetch: Fetch, now: number): void {
    const bytes = this.#props.transport.bytesReceived;
    if (bytes - this.#progress.bytes >= MOVED_BYTES_MIN) this.#progress = { at: now, bytes };
    let late = 0;
    for (const [digest, asked] of fetch.inFlight) {
      const isQueued = asked.queuedUntil !== undefined;
      const isPassedOver = !isQueued && bytes - asked.bytesBefore > BYTES_AHEAD_MAX;
      if (fetch.storing.has(digest) || (now < this.#lateAt(asked) && !isPassedOver)) continue;
      this.#putBack(fetch, digest);
      fetch.late.add(digest);
      // Asked for again in case the hub has forgotten: that says nothing of the line.
      if (!isQueued) late += 1;
    }
    if (late === 0) return;
    // Asked for again, and not told again that it stands in line: the hub is silent, which is no place in a line.
    fetch.queuedSince = undefined;
    this.#line.timedOut();
    const wait = fetch.waits.next().value;
    fetch.pauseUntil = now + wait;
    this.#log.info(fetch.manifest, { late, waitMs: wait }, 'chunks did not come; asking again');
  }

  #lateAt(asked: Asked): number {
    if (asked.queuedUntil !== undefined) return asked.queuedUntil;
    return Math.max(this.#progress.at, asked.at) + this.#line.silenceMs;
  }

  /** Hands the credit that is free to the downloads that can use it, each at most its part, in turn. */
  #shareCredit(now: number): void {
    if (!this.#props.transport.isReady || now < this.#paidUntil) return;
    const able = [...this.#fetches].filter(
      (fetch) => fetch.inFlight.size > 0 || (fetch.waiting.length > 0 && now >= fetch.pauseUntil),
    );
    // On the slowest line too each has one chunk under way: what nobody answers must not take the whole credit.
    const all = Math.min(limits.chunksInFlightPerDevice, Math.max(this.#line.window, able.length));
    const part = Math.ceil(all / Math.max(1, able.length));
    for (const fetch of able) {
      if (fetch.waiting.length === 0 || now < fetch.pauseUntil) continue;
      const taken = [...this.#fetches].reduce((sum, { inFlight }) => sum + inFlight.size, 0);
      const free = Math.min(all - taken, part - fetch.inFlight.size);
      // Half a part at a time: enough to keep the line busy, without a request for each chunk.
      const enough = fetch.inFlight.size === 0 ? 1 : Math.ceil(part / 2);
      if (free < enough) continue;
      this.#ask(fetch, free);
    }
  }

  #ask(fetch: Fetch, credit: number): void {
    const { transport, clock, store } = this.#props;
    // Another download may have brought some of them meanwhile.
    const before = fetch.waiting.splice(0);
    const waiting = before.filter((digest) => !store.has(digest));
    const others = [...this.#fetches].filter((other) => other !== fetch);
    const chunks = waiting
      .filter((digest) => !others.some(({ inFlight }) => inFlight.has(digest)))
      .slice(0, credit);
    const asked = new Set(chunks);
    fetch.waiting.push(...waiting.filter((digest) => !asked.has(digest)));
    // Only for news: two downloads that wait for each other's chunks would wake one another without end.
    if (fetch.waiting.length < before.length) fetch.sleep.wake();
    if (chunks.length === 0) return;
    // To the end of the queue for credit.
    this.#fetches.delete(fetch);
    this.#fetches.add(fetch);
    this.#request += 1;
    const request: ChunkRequest = {
      v: 1,
      request: this.#request,
      manifest: fetch.manifest,
      chunks,
      queue: true,
    };
    for (const digest of chunks) fetch.inFlight.set(digest, this.#asked(this.#request));
    // Not awaited: chunks may come before the hub acknowledges. A request that was lost is found by its timeout.
    transport.ask(request).catch((error: unknown) => {
      this.#props.logger.debug({ reason: errorText(error) }, 'chunk request was not acknowledged');
      for (const digest of chunks)
        if (fetch.inFlight.get(digest)?.request === request.request) this.#putBack(fetch, digest);
      fetch.pauseUntil = Math.max(fetch.pauseUntil, clock.monotonic() + WAIT_FIRST_MS);
      fetch.sleep.wake();
    });
  }

  /** Until a chunk or an error came, the link changed, or the next timeout. */
  async #sleepUntilNews(fetch: Fetch, now: number, signal: AbortSignal): Promise<void> {
    if (fetch.waiting.length + fetch.inFlight.size === 0 || fetch.fault !== undefined) return;
    const times = [...fetch.inFlight]
      .filter(([digest]) => !fetch.storing.has(digest))
      .map(([, asked]) => this.#lateAt(asked));
    const from = Math.max(fetch.pauseUntil, this.#paidUntil);
    if (from > now) times.push(from);
    const ms = Math.max(1, Math.min(...times, now + Math.min(this.#line.silenceMs, WAIT_MAX_MS)) - now);
    await fetch.sleep.sleep(ms, signal);
  }

  #asked(request: number): Asked {
    const { clock, transport } = this.#props;
    return { request, at: clock.monotonic(), bytesBefore: transport.bytesReceived };
  }

  #newWaits(): Generator<number, never> {
    return retrySchedule({ firstMs: WAIT_FIRST_MS, maxMs: WAIT_MAX_MS, random: this.#props.random });
  }
}
