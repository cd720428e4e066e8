/**
 * A hub at the far end of a slow line, in time that is only counted: bytes come one after another at the line's speed, and
 * a message is there when its last byte is. The clock moves on when everybody waits.
 */
import type { ChunkFetcher } from '../../agent/download/chunk-fetcher.ts';
import type { ChunkStore } from '../../agent/download/chunk-store.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { ChunkRequest } from '../../shared/protocol/chunk-transfer.ts';

interface Sending {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
}

export interface SimulatedLineOptions {
  readonly bytesPerSecond: number;
  /** There and back, milliseconds. */
  readonly roundTripMs: number;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** Nothing moves between these two times, milliseconds. */
  readonly outage?: readonly [number, number];
  /** Digests whose first sending the hub forgets. */
  readonly forgotten?: Iterable<string>;
}

export class SimulatedLine {
  readonly #options: SimulatedLineOptions;
  readonly #events: { readonly at: number; readonly act: () => void }[] = [];
  readonly #sendings: Sending[] = [];
  readonly #forgotten: Set<string>;
  #now = 0;
  #busyUntil = 0;
  bytesSent = 0;
  fetcher!: ChunkFetcher;
  store!: ChunkStore;
  readonly isReady = true;

  constructor(options: SimulatedLineOptions) {
    this.#options = options;
    this.#forgotten = new Set(options.forgotten);
  }

  readonly clock: Clock = {
    now: () => this.#now,
    monotonic: () => this.#now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        this.#at(this.#now + ms, resolve);
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
  };

  get bytesReceived(): number {
    let sum = 0;
    for (const { bytes, from, to } of this.#sendings) {
      sum += Math.floor(bytes * Math.min(1, Math.max(0, (this.#now - from) / (to - from))));
    }
    return sum;
  }

  async ask(request: ChunkRequest): Promise<void> {
    this.#at(this.#now + this.#options.roundTripMs / 2, () => {
      for (const digest of request.chunks) if (!this.#forgotten.delete(digest)) this.#send(digest);
    });
  }

  /** Lets time pass until `done`; returns how much did, milliseconds. */
  async run(done: Promise<unknown>): Promise<number> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    done.then(over, over);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver) return this.#now;
      this.#events.sort((a, b) => a.at - b.at);
      const next = this.#events.shift();
      if (!next) continue;
      this.#now = Math.max(this.#now, next.at);
      next.act();
    }
  }

  #send(digest: string): void {
    const { bytesPerSecond, roundTripMs, blobs, outage = [0, 0] } = this.#options;
    const blob = blobs.get(digest)!;
    this.bytesSent += blob.byteLength;
    const began = Math.max(this.#now, this.#busyUntil);
    let ended = began + (blob.byteLength / bytesPerSecond) * 1_000;
    const [from, to] = outage;
    const half = roundTripMs / 2;
    if (began < from && ended > from) {
      // What was sent before the outage has come by then.
      const before = Math.floor((blob.byteLength * (from - began)) / (ended - began));
      this.#sendings.push({ bytes: before, from: began + half, to: from + half });
      ended += to - from;
      this.#sendings.push({ bytes: blob.byteLength - before, from: to + half, to: ended + half });
    } else this.#sendings.push({ bytes: blob.byteLength, from: began + half, to: ended + half });
    this.#busyUntil = ended;
    this.#at(ended + half, () => void this.#deliver(digest, blob));
  }

  /** Writing to the disk takes real time, which here is none. */
  async #deliver(digest: string, blob: Uint8Array): Promise<void> {
    const isHere = this.store.has(digest);
    this.fetcher.receive(digest, blob);
    if (isHere) return;
    const wait = { at: this.#now, act: (): void => undefined };
    wait.act = () => {
      if (!this.store.has(digest)) this.#events.push(wait);
    };
    this.#events.push(wait);
  }

  #at(at: number, act: () => void): void {
    this.#events.push({ at, act });
  }
}
