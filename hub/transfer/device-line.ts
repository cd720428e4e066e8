/**
 * What one device has in line and under way, how fast its socket takes chunks, and since when it waits. Its credit at the hub
 * follows its speed. Pure.
 */
import { limits } from '../../shared/base/limits.ts';

export interface ChunkOrder {
  readonly digest: string;
  /** The most that it may have. */
  readonly bytes: number;
}

/** What a new time counts in the mean: that of round trips (RFC 6298) would take too long to see a full socket. */
const MEAN_GAIN = 1 / 4;
/** Past so many, each costs as much as the one before: sixteen thousand chunks are the largest files there are. */
const STALLS_COUNTED_MAX = 11;
/** A smaller chunk says more of the loop's turns than of the line: it counts as if it had been this large. */
const BYTES_MIN = 32 * 1024;

export class DeviceLine<Order extends ChunkOrder> {
  readonly deviceId: string;
  /** By digest, the first one first. */
  readonly waiting = new Map<string, Order>();
  readonly underWay = new Set<{ readonly order: Order }>();
  /** Smoothed time in which the socket takes a whole chunk, milliseconds; NaN until one was. */
  #chunkMs = Number.NaN;
  #takenAt = 0;
  /** What `seeMark` last saw. */
  #mark = 0;
  /** How often it has stalled, when last, and how many chunks it must take before it is trusted again. */
  #stalls = 0;
  #stalledAt = 0;
  #chunksOwed = 0;
  #movedAt: number | undefined;
  #waitsSince: number | undefined;
  #waitedUntil: number | undefined;

  constructor(deviceId: string) {
    this.deviceId = deviceId;
  }

  get isIdle(): boolean {
    return this.waiting.size + this.underWay.size === 0;
  }

  get isSlow(): boolean {
    return this.#chunkMs > limits.sendingAheadMs;
  }

  /** It has stalled, and has not yet taken what it must before it counts as one of the others again. */
  get isStalled(): boolean {
    return this.#chunksOwed > 0;
  }

  /** For how long its socket may take nothing while others wait, milliseconds. A line that moves in steps needs more than one try. */
  get timeoutMs(): number {
    if (!this.isStalled) return limits.sendingStallMs;
    return Math.min(limits.mqttDrainMs, limits.sendingStallMs * 2 ** this.#stalls);
  }

  /** When a chunk was last handed to the socket, or the socket last took some of one. */
  get movedAt(): number | undefined {
    return this.#movedAt;
  }

  /** Since when it waits with nothing under way. */
  get waitsSince(): number | undefined {
    return this.#waitsSince;
  }

  /**
   * Until when it last waited for longer than `limits.sendingWaitMs`; `now` while it does. That it waits among the stalled
   * is its own doing.
   */
  waitedUntil(now: number): number | undefined {
    const isWaiting =
      !this.isStalled && this.#waitsSince !== undefined && now - this.#waitsSince >= limits.sendingWaitMs;
    return isWaiting ? now : this.#waitedUntil;
  }

  /** The order that it may have under way now: what its socket takes in `limits.sendingAheadMs`, one at least. */
  get startable(): Order | undefined {
    const [order] = this.waiting.values();
    if (order === undefined || this.underWay.size === 0) return order;
    // Until it was measured, one.
    if (Number.isNaN(this.#chunkMs) || this.isStalled) return undefined;
    let bytes = order.bytes;
    for (const held of this.underWay) bytes += held.order.bytes;
    const credit = (limits.chunkBytes * limits.sendingAheadMs) / Math.max(1, this.#chunkMs);
    return bytes <= Math.min(credit, limits.chunksInFlightPerDevice * limits.chunkBytes) ? order : undefined;
  }

  /** To be called after what waits or is under way has changed; true when it has just begun to wait. */
  noteWaiting(now: number): boolean {
    if (this.waiting.size === 0 || this.underWay.size > 0) {
      this.#waitedUntil = this.waitedUntil(now);
      this.#waitsSince = undefined;
      return false;
    }
    if (this.#waitsSince !== undefined) return false;
    this.#waitsSince = now;
    return true;
  }

  handed(now: number): void {
    this.#movedAt = now;
  }

  /** The socket has taken so many bytes that it was handed then. */
  taken(bytes: number, handedAt: number, now: number): void {
    // The chunks before it had the socket until the last of them was taken.
    const ms = Math.max(0, now - Math.max(handedAt, this.#takenAt));
    const chunkMs = (ms * limits.chunkBytes) / Math.max(bytes, BYTES_MIN);
    if (Number.isNaN(this.#chunkMs)) this.#chunkMs = chunkMs;
    else this.#chunkMs += MEAN_GAIN * (chunkMs - this.#chunkMs);
    this.#takenAt = now;
    this.#movedAt = now;
    this.#chunksOwed = Math.max(0, this.#chunksOwed - 1);
  }

  /** `mark` falls whenever its socket takes something, however little; undefined without a connection. */
  seeMark(mark: number | undefined, now: number): void {
    if (mark !== undefined && mark < this.#mark && this.underWay.size > 0) this.#movedAt = now;
    this.#mark = mark ?? 0;
  }

  /** It lost its place because its socket took nothing. */
  stalled(now: number): void {
    const isForgotten = now - this.#stalledAt > limits.sendingStallsForgottenMs;
    this.#stalls = isForgotten ? 1 : Math.min(this.#stalls + 1, STALLS_COUNTED_MAX);
    this.#stalledAt = now;
    this.#chunksOwed = limits.sendingStalledChunks * 2 ** (this.#stalls - 1);
  }

  /** The socket has not taken a chunk for so long already. */
  notTakenFor(ms: number): void {
    this.#chunkMs = Number.isNaN(this.#chunkMs) ? ms : Math.max(ms, this.#chunkMs);
  }
}
