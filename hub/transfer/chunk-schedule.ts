/**
 * Whose chunk goes next. What is scarce is the hub's memory: a chunk is held from when it is read until the device's socket
 * has taken it, milliseconds for a fast line and seconds for a slow one. So devices are sorted by the speed their sockets
 * were measured at into two lanes, each with bytes of its own and a round robin over its devices (deficit round
 * robin of one chunk, Shreedhar and Varghese 1995): however many slow ones there are, a fast one does not wait for them,
 * and nobody waits for ever. A device whose socket takes nothing while others wait loses its place, and gets its next ones
 * in a small lane of those that did the same, until it has taken enough there. How much of one device is under way follows its
 * speed as well. Pure.
 */
import { limits } from '../../shared/base/limits.ts';
import { type ChunkOrder, DeviceLine } from './device-line.ts';
import { RoundRobin } from './round-robin.ts';

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
  /** The same for those that have stalled. Default `limits.sendingBytesStalledMax`. */
  readonly stalledBytesMax?: number;
}

interface Held<Order extends ChunkOrder> extends Sending<Order> {
  readonly line: DeviceLine<Order>;
  handedAt: number | undefined;
  lane: Lane<Order>;
}

interface Lane<Order extends ChunkOrder> {
  readonly bytesMax: number;
  readonly held: Set<Held<Order>>;
  bytes: number;
  /** Devices that may have one more chunk under way, the next one first. */
  readonly ring: RoundRobin<DeviceLine<Order>>;
}

export class ChunkSchedule<Order extends ChunkOrder> {
  readonly #fast: Lane<Order>;
  readonly #slow: Lane<Order>;
  readonly #stalled: Lane<Order>;
  /** The one that is asked next comes first. */
  readonly #lanes: Lane<Order>[];
  /** Since when it has been looked now and then at who takes something, and when last. */
  #observingSince = Number.NEGATIVE_INFINITY;
  #evaluatedAt = Number.NEGATIVE_INFINITY;
  /** Least lately used first. */
  readonly #lines = new Map<string, DeviceLine<Order>>();
  /** Waiting with nothing under way, for something of which they are not told yet that it stands in line. */
  readonly #fresh = new Set<DeviceLine<Order>>();

  constructor({ fastBytesMax, slowBytesMax, stalledBytesMax }: ChunkScheduleOptions = {}) {
    this.#fast = makeLane(fastBytesMax, limits.sendingBytesFastMax);
    this.#slow = makeLane(slowBytesMax, limits.sendingBytesSlowMax);
    this.#stalled = makeLane(stalledBytesMax, limits.sendingBytesStalledMax);
    this.#lanes = [this.#fast, this.#slow, this.#stalled];
  }

  /** Bytes that have their place now. */
  get bytesHeld(): number {
    return this.#fast.bytes + this.#slow.bytes + this.#stalled.bytes;
  }

  /** Whether somebody waits for a place. */
  get isCongested(): boolean {
    return this.#lanes.some(({ ring }) => ring.size > 0);
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
    const line = this.#lineOf(deviceId);
    const sent = new Set([...line.underWay].map(({ order }) => order.digest));
    const fresh = orders.filter(({ digest }) => !sent.has(digest));
    for (const order of fresh) line.waiting.set(order.digest, order);
    for (const digest of line.waiting.keys()) {
      if (line.waiting.size <= limits.chunksInFlightPerDevice) break;
      line.waiting.delete(digest);
    }
    this.#place(line, now);
    // Who was told of one request knows nothing of the next.
    if (fresh.length > 0 && line.waitsSince !== undefined) this.#fresh.add(line);
    return fresh.length;
  }

  /** The chunk that has its place from now on; undefined when nobody may send. */
  next(now: number): Sending<Order> | undefined {
    for (const [at, lane] of this.#lanes.entries()) {
      const line = lane.ring.first();
      if (line === undefined) continue;
      const order = line.startable!;
      if (lane.bytes > 0 && lane.bytes + order.bytes > lane.bytesMax) continue;
      this.#lanes.push(...this.#lanes.splice(0, at + 1));
      return this.#start(line, order, lane, now);
    }
    return undefined;
  }

  /** The chunk was read and handed to the socket. */
  handed(sending: Sending<Order>, now: number): void {
    const held = sending as Held<Order>;
    held.handedAt = now;
    held.line.handed(now);
  }

  /** Gives the place back. `bytes` were taken by the socket; undefined when nothing was sent. */
  done(sending: Sending<Order>, bytes: number | undefined, now: number): void {
    const held = sending as Held<Order>;
    const { line } = held;
    if (!line.underWay.delete(held)) return;
    leave(held);
    if (bytes !== undefined && held.handedAt !== undefined) line.taken(bytes, held.handedAt, now);
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
   * devices that have lost their place because their sockets took no byte for too long: a place is memory, so their connection is
   * to be closed. `markOf` gives a figure that falls whenever the socket of a device takes something; undefined for one without
   * a connection.
   */
  relieve(now: number, markOf: (deviceId: string) => number | undefined): readonly string[] {
    const stalled = this.#findStalled(now, markOf);
    for (const held of this.#fast.held) {
      if (held.handedAt === undefined || now - held.handedAt <= limits.sendingAheadMs) continue;
      const { order, line } = held;
      if (this.#slow.bytes + order.bytes > this.#slow.bytesMax) break;
      leave(held);
      enter(held, this.#slow);
      line.notTakenFor(now - held.handedAt);
      this.#place(line, now);
    }
    return stalled;
  }

  #findStalled(now: number, markOf: (deviceId: string) => number | undefined): readonly string[] {
    // What moved while nobody looked is not known.
    if (now - this.#evaluatedAt > limits.sendingWaitMs) this.#observingSince = now;
    this.#evaluatedAt = now;
    const lines = new Map<DeviceLine<Order>, number>();
    for (const { held } of this.#lanes) {
      for (const { handedAt, line } of held) if (handedAt !== undefined) lines.set(line, handedAt);
    }
    const stalled: string[] = [];
    for (const [line, handedAt] of lines) {
      line.seeMark(markOf(line.deviceId), now);
      if (now - Math.max(line.movedAt ?? handedAt, this.#observingSince) <= line.timeoutMs) continue;
      line.stalled(now);
      this.#place(line, now);
      stalled.push(line.deviceId);
    }
    return stalled;
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
   * chunk last moved towards it. `mark` as in `relieve`.
   */
  timesOf(
    deviceId: string,
    now: number,
    mark: number | undefined,
  ): { readonly waitedUntil: number | undefined; readonly movedAt: number | undefined } | undefined {
    const line = this.#lines.get(deviceId);
    if (line === undefined) return undefined;
    line.seeMark(mark, now);
    return { waitedUntil: line.waitedUntil(now), movedAt: line.movedAt };
  }

  #start(line: DeviceLine<Order>, order: Order, lane: Lane<Order>, now: number): Sending<Order> {
    line.waiting.delete(order.digest);
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
  #place(line: DeviceLine<Order>, now: number): void {
    const own = line.isStalled ? this.#stalled : line.isSlow ? this.#slow : this.#fast;
    const isReady = line.startable !== undefined;
    for (const { ring } of this.#lanes) if (!isReady || ring !== own.ring) ring.delete(line);
    if (isReady) own.ring.add(line);
    if (line.noteWaiting(now)) this.#fresh.add(line);
    else if (line.waitsSince === undefined) this.#fresh.delete(line);
  }

  #lineOf(deviceId: string): DeviceLine<Order> {
    const known = this.#lines.get(deviceId);
    if (known !== undefined) {
      this.#lines.delete(deviceId);
      this.#lines.set(deviceId, known);
      return known;
    }
    const line = new DeviceLine<Order>(deviceId);
    this.#lines.set(deviceId, line);
    this.#forgetOldest();
    return line;
  }

  /** What is remembered of devices that ask for nothing now is bounded; who asks has a connection, which is bounded too. */
  #forgetOldest(): void {
    for (const [deviceId, line] of this.#lines) {
      if (this.#lines.size <= limits.connectionsMax) return;
      if (line.isIdle) this.#lines.delete(deviceId);
    }
  }
}

function makeLane<Order extends ChunkOrder>(bytesMax = Number.POSITIVE_INFINITY, most: number): Lane<Order> {
  return { bytesMax: Math.min(bytesMax, most), held: new Set(), bytes: 0, ring: new RoundRobin() };
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
