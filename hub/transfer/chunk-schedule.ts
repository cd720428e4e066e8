/**
 * Whose chunk goes next. What is scarce is the hub's memory: a chunk is held from when it is read until the device's socket
 * has taken it, milliseconds for a fast line and seconds for a slow one. So devices are sorted by the speed their sockets
 * were measured at into two lanes, each with bytes of its own and a round robin over its devices (deficit round
 * robin of one chunk, Shreedhar and Varghese 1995): however many slow ones there are, a fast one does not wait for them,
 * and nobody waits for ever. How much of one device is under way follows its speed as well. Pure.
 */
import { limits } from '../../shared/base/limits.ts';
import { TurnRing } from './turn-ring.ts';

export interface ChunkOrder {
  readonly digest: string;
  /** The most that it may have. */
  readonly bytes: number;
}

/** A chunk that has its place: it is read, then handed to the socket, then taken by it. */
export interface Sending<Order> {
  readonly deviceId: string;
  readonly order: Order;
}

export interface ChunkScheduleOptions {
  /** Bytes held for devices that are fast, or not yet measured. Default `limits.sendingBytesFastMax`. */
  readonly fastBytesMax?: number;
  /** The same for slow ones. Default `limits.sendingBytesSlowMax`. */
  readonly slowBytesMax?: number;
}

interface Held<Order> extends Sending<Order> {
  readonly line: Line<Order>;
  handedAt: number | undefined;
  lane: Lane<Order>;
}

interface Lane<Order> {
  readonly bytesMax: number;
  readonly held: Set<Held<Order>>;
  bytes: number;
  /** Devices that may have one more chunk under way, the next one first. */
  readonly ring: TurnRing<Line<Order>>;
}

interface Line<Order> {
  readonly deviceId: string;
  readonly waiting: Map<string, Order>;
  readonly underWay: Set<Held<Order>>;
  /** Smoothed time in which the socket takes a whole chunk, milliseconds; NaN until one was. */
  chunkMs: number;
  takenAt: number;
  /** When a chunk was last handed to the socket or taken by it. */
  movedAt: number | undefined;
  /** Since when it waits with nothing under way. */
  waitsSince: number | undefined;
  /** When it last had waited so long that it counts. */
  waitedUntil: number | undefined;
}

/** What a new time counts in the mean: that of round trips (RFC 6298) would take too long to see a full socket. */
const MEAN_GAIN = 1 / 4;
/** A smaller chunk says more of the loop's turns than of the line: it counts as if it had been this large. */
const BYTES_MIN = 32 * 1024;

export class ChunkSchedule<Order extends ChunkOrder> {
  readonly #fast: Lane<Order>;
  readonly #slow: Lane<Order>;
  /** Least lately used first. */
  readonly #lines = new Map<string, Line<Order>>();
  /** Waiting with nothing under way, longest first, not yet counted as waiting. */
  readonly #fresh = new Set<Line<Order>>();
  #next: Lane<Order>;

  constructor({ fastBytesMax, slowBytesMax }: ChunkScheduleOptions = {}) {
    this.#fast = makeLane(fastBytesMax, limits.sendingBytesFastMax);
    this.#slow = makeLane(slowBytesMax, limits.sendingBytesSlowMax);
    this.#next = this.#fast;
  }

  /** Bytes that have their place now. */
  get bytesHeld(): number {
    return this.#fast.bytes + this.#slow.bytes;
  }

  /** Whether somebody waits for a place. */
  get isCrowded(): boolean {
    return this.#fast.ring.size + this.#slow.ring.size > 0;
  }

  /** Devices that wait for a place with nothing under way. */
  get devicesWaiting(): number {
    let waiting = 0;
    for (const { waitsSince } of this.#lines.values()) if (waitsSince !== undefined) waiting += 1;
    return waiting;
  }

  /**
   * Puts chunks in line for the device, and returns how many: those under way come anyhow. One that it asks for again keeps
   * its place. It never has more in line than its credit: whoever asks for more has given up what it asked for first.
   */
  ask(deviceId: string, orders: readonly Order[], now: number): number {
    const line = this.#lineOf(deviceId, now);
    const sent = new Set([...line.underWay].map(({ order }) => order.digest));
    const fresh = orders.filter(({ digest }) => !sent.has(digest));
    for (const order of fresh) line.waiting.set(order.digest, order);
    for (const digest of line.waiting.keys()) {
      if (line.waiting.size <= limits.chunksInFlightPerDevice) break;
      line.waiting.delete(digest);
    }
    this.#place(line, now);
    return fresh.length;
  }

  /** The chunk that has its place from now on; undefined when nobody may send. */
  next(now: number): Sending<Order> | undefined {
    const other = this.#next === this.#fast ? this.#slow : this.#fast;
    for (const lane of [this.#next, other]) {
      const line = lane.ring.first();
      if (line === undefined) continue;
      const [order] = line.waiting.values();
      if (lane.bytes > 0 && lane.bytes + order!.bytes > lane.bytesMax) continue;
      this.#next = lane === this.#fast ? this.#slow : this.#fast;
      return this.#start(line, order!, lane, now);
    }
    return undefined;
  }

  /** The chunk was read and handed to the socket. */
  handed(sending: Sending<Order>, now: number): void {
    const held = sending as Held<Order>;
    held.handedAt = now;
    held.line.movedAt = now;
  }

  /** Gives the place back. `bytes` were taken by the socket; undefined when nothing was sent. */
  done(sending: Sending<Order>, bytes: number | undefined, now: number): void {
    const held = sending as Held<Order>;
    const { line } = held;
    if (!line.underWay.delete(held)) return;
    leave(held);
    if (bytes !== undefined && held.handedAt !== undefined) {
      // The chunks before it had the socket until the last of them was taken.
      const ms = Math.max(0, now - Math.max(held.handedAt, line.takenAt));
      measure(line, (ms * limits.chunkBytes) / Math.max(bytes, BYTES_MIN));
      line.takenAt = now;
      line.movedAt = now;
    }
    this.#place(line, now);
  }

  /** Takes out of the line what waits for the device and fits `isGone`. */
  drop(deviceId: string, now: number, isGone: (order: Order) => boolean = () => true): void {
    const line = this.#lines.get(deviceId);
    if (line === undefined) return;
    for (const [digest, order] of line.waiting) if (isGone(order)) line.waiting.delete(digest);
    this.#place(line, now);
  }

  /**
   * To be called now and then while it is crowded: what a socket has not taken for long belongs to the slow. Returns the
   * devices that have taken nothing for `limits.mqttDrainMs`, whose connection is to be closed.
   */
  relieve(now: number): readonly string[] {
    for (const held of this.#fast.held) {
      if (held.handedAt === undefined || now - held.handedAt <= limits.sendingAheadMs) continue;
      const { order, line } = held;
      if (this.#slow.bytes + order.bytes > this.#slow.bytesMax) break;
      leave(held);
      enter(held, this.#slow);
      line.chunkMs = Math.max(now - held.handedAt, Number.isNaN(line.chunkMs) ? 0 : line.chunkMs);
      this.#place(line, now);
    }
    const stalled = new Set<string>();
    for (const { held } of [this.#fast, this.#slow]) {
      for (const { handedAt, line } of held) {
        if (handedAt === undefined) continue;
        if (now - Math.max(handedAt, line.movedAt ?? 0) > limits.mqttDrainMs) stalled.add(line.deviceId);
      }
    }
    return [...stalled];
  }

  /** What devices wait for that have just waited long enough to be told. */
  takeLongWaiting(now: number): readonly Sending<Order>[] {
    const waiting: Sending<Order>[] = [];
    for (const line of this.#fresh) {
      if (now - line.waitsSince! < limits.sendingWaitMs) break;
      this.#fresh.delete(line);
      for (const order of line.waiting.values()) waiting.push({ deviceId: line.deviceId, order });
    }
    return waiting;
  }

  /**
   * Until when the device last waited for a place for longer than `limits.sendingWaitMs` (`now` while it does), and when a
   * chunk last moved towards it.
   */
  timesOf(
    deviceId: string,
    now: number,
  ): { readonly waitedUntil: number | undefined; readonly movedAt: number | undefined } | undefined {
    const line = this.#lines.get(deviceId);
    if (line === undefined) return undefined;
    return { waitedUntil: hasWaited(line, now) ? now : line.waitedUntil, movedAt: line.movedAt };
  }

  #start(line: Line<Order>, order: Order, lane: Lane<Order>, now: number): Sending<Order> {
    line.waiting.delete(order.digest);
    if (hasWaited(line, now)) line.waitedUntil = now;
    const { deviceId } = line;
    const held: Held<Order> = { deviceId, order, line, lane, handedAt: undefined };
    line.underWay.add(held);
    enter(held, lane);
    // To the end of the ring.
    lane.ring.delete(line);
    this.#place(line, now);
    return held;
  }

  /** Brings the rings, and what is known of its waiting, in line with what the device has under way. */
  #place(line: Line<Order>, now: number): void {
    const isSlow = !Number.isNaN(line.chunkMs) && line.chunkMs > limits.sendingAheadMs;
    const [own, other] = isSlow ? [this.#slow, this.#fast] : [this.#fast, this.#slow];
    other.ring.delete(line);
    const [order] = line.waiting.values();
    if (order !== undefined && mayStart(line, order)) own.ring.add(line);
    else own.ring.delete(line);
    if (order === undefined || line.underWay.size > 0) {
      line.waitsSince = undefined;
      this.#fresh.delete(line);
    } else if (line.waitsSince === undefined) {
      line.waitsSince = now;
      this.#fresh.add(line);
    }
  }

  #lineOf(deviceId: string, now: number): Line<Order> {
    const known = this.#lines.get(deviceId);
    if (known !== undefined) {
      this.#lines.delete(deviceId);
      this.#lines.set(deviceId, known);
      return known;
    }
    const line: Line<Order> = {
      deviceId,
      waiting: new Map(),
      underWay: new Set(),
      chunkMs: Number.NaN,
      takenAt: now,
      movedAt: undefined,
      waitsSince: undefined,
      waitedUntil: undefined,
    };
    this.#lines.set(deviceId, line);
    this.#forgetOldest();
    return line;
  }

  /** What is remembered of devices that ask for nothing now is bounded; who asks has a connection, which is bounded too. */
  #forgetOldest(): void {
    for (const [deviceId, { waiting, underWay }] of this.#lines) {
      if (this.#lines.size <= limits.connectionsMax) return;
      if (waiting.size + underWay.size === 0) this.#lines.delete(deviceId);
    }
  }
}

function makeLane<Order>(bytesMax = Number.POSITIVE_INFINITY, most: number): Lane<Order> {
  return { bytesMax: Math.min(bytesMax, most), held: new Set(), bytes: 0, ring: new TurnRing() };
}

function enter<Order extends ChunkOrder>(held: Held<Order>, lane: Lane<Order>): void {
  held.lane = lane;
  lane.held.add(held);
  lane.bytes += held.order.bytes;
}

function leave<Order extends ChunkOrder>(held: Held<Order>): void {
  held.lane.held.delete(held);
  held.lane.bytes -= held.order.bytes;
}

/** A device has under way what its socket takes in `limits.sendingAheadMs`; one chunk at least, and until it is measured. */
function mayStart<Order extends ChunkOrder>(line: Line<Order>, order: Order): boolean {
  if (line.underWay.size === 0) return true;
  if (Number.isNaN(line.chunkMs)) return false;
  let bytes = order.bytes;
  for (const held of line.underWay) bytes += held.order.bytes;
  const credit = (limits.chunkBytes * limits.sendingAheadMs) / Math.max(1, line.chunkMs);
  return bytes <= Math.min(credit, limits.chunksInFlightPerDevice * limits.chunkBytes);
}

function measure<Order>(line: Line<Order>, chunkMs: number): void {
  if (Number.isNaN(line.chunkMs)) line.chunkMs = chunkMs;
  else line.chunkMs += MEAN_GAIN * (chunkMs - line.chunkMs);
}

function hasWaited<Order>({ waitsSince }: Line<Order>, now: number): boolean {
  return waitsSince !== undefined && now - waitsSince >= limits.sendingWaitMs;
}
