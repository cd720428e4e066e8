/**
 * A hub's line of downloads and devices with lines and socket buffers of their own, in time that is only counted. Devices
 * ask as agents do: never for more than their credit, and again for all of it when the hub was started anew.
 */
import { ChunkSchedule, type ChunkScheduleOptions, type Sending } from '../../hub/transfer/chunk-schedule.ts';
import { limits } from '../../shared/base/limits.ts';

const CHECK_MS = 250;
const ROUND_TRIP_MS = 20;
const KEEPALIVE_MS = 45_000;
const RECONNECT_MS = 1_000;

export interface SimulatedDeviceOptions {
  readonly bytesPerSecond: number;
  readonly chunks: number;
  /** Bytes that its socket takes ahead of the line. */
  readonly socketBytes?: number;
  readonly startsAt?: number;
  /** From then on its line carries nothing, and it asks for nothing. */
  readonly vanishesAt?: number;
  /** When the broker finds its connection dead; never, for a device that lives and takes nothing. */
  readonly missedAt?: number;
  /** So many chunks does it take on each connection, and then nothing more of what it has asked for. */
  readonly stopsAfter?: number;
}

export interface SimulatedDownloadsOptions extends ChunkScheduleOptions {
  readonly devices: readonly SimulatedDeviceOptions[];
  /** When the hub is started anew, with nothing in its line. */
  readonly restartAt?: number;
}

interface Order {
  readonly digest: string;
  readonly bytes: number;
}

export interface SimulatedDevice extends Required<Omit<SimulatedDeviceOptions, 'stopsAfter'>> {
  stopsAfter: number;
  readonly id: string;
  readonly have: Set<string>;
  readonly asked: Set<string>;
  readonly underWay: Set<Sending<Order>>;
  /** Counts its connections, and the chunks that it was sent on this one. */
  connection: number;
  sent: number;
  /** When the line will have carried what it was given. */
  carriedAt: number;
  endedAt: number | undefined;
  /** Longest time that it waited with nothing under way. */
  longestWaitMs: number;
  waitsSince: number | undefined;
}

export class SimulatedDownloads {
  readonly devices: readonly SimulatedDevice[];
  readonly closed = new Set<string>();
  readonly #options: SimulatedDownloadsOptions;
  /** Sorted, the next one last. */
  readonly #events: { readonly at: number; readonly act: () => void }[] = [];
  #schedule: ChunkSchedule<Order>;
  #life = 0;
  now = 0;
  bytesHeldMost = 0;

  constructor(options: SimulatedDownloadsOptions) {
    this.#options = options;
    this.#schedule = new ChunkSchedule(options);
    this.devices = options.devices.map((device, n) => ({
      socketBytes: 64 * 1024,
      startsAt: 0,
      vanishesAt: Number.POSITIVE_INFINITY,
      stopsAfter: Number.POSITIVE_INFINITY,
      connection: 0,
      sent: 0,
      missedAt: (device.vanishesAt ?? Number.POSITIVE_INFINITY) + KEEPALIVE_MS,
      ...device,
      id: `device-${n}`,
      have: new Set(),
      asked: new Set(),
      underWay: new Set(),
      carriedAt: 0,
      endedAt: undefined,
      longestWaitMs: 0,
      waitsSince: undefined,
    }));
    for (const device of this.devices) {
      this.#at(device.startsAt, () => this.#ask(device));
      if (Number.isFinite(device.missedAt)) this.#at(device.missedAt, () => this.#disconnect(device));
    }
    this.#at(CHECK_MS, () => this.#look());
    if (options.restartAt !== undefined) this.#at(options.restartAt, () => this.#restart());
  }

  get bytesHeld(): number {
    return this.#schedule.bytesHeld;
  }

  /** Lets time pass until every device that is still there has everything, or until `untilMs`. */
  run(untilMs = Number.POSITIVE_INFINITY): this {
    const waiting = new Set(this.devices);
    for (;;) {
      for (const device of waiting) {
        if (device.endedAt === undefined && device.vanishesAt > this.now) break;
        waiting.delete(device);
      }
      const next = this.#events.at(-1);
      if (waiting.size === 0 || next === undefined || next.at > untilMs) return this;
      this.#events.pop();
      this.now = next.at;
      next.act();
    }
  }

  #restart(): void {
    this.#life += 1;
    this.#schedule = new ChunkSchedule(this.#options);
    for (const device of this.devices) {
      device.asked.clear();
      device.underWay.clear();
      device.carriedAt = this.now;
      if (this.now >= device.startsAt) this.#ask(device);
    }
  }

  #ask(device: SimulatedDevice): void {
    if (device.endedAt !== undefined || this.now >= device.vanishesAt) return;
    const orders: Order[] = [];
    for (let n = 0; n < device.chunks; n += 1) {
      if (device.asked.size >= limits.chunksInFlightPerDevice) break;
      const digest = `${device.id}/${n}`;
      if (device.have.has(digest) || device.asked.has(digest)) continue;
      device.asked.add(digest);
      orders.push({ digest, bytes: limits.chunkBytes });
    }
    if (orders.length === 0) return;
    this.#schedule.ask(device.id, orders, this.now);
    if (device.underWay.size === 0) device.waitsSince ??= this.now;
    this.#start();
  }

  #start(): void {
    for (;;) {
      const sending = this.#schedule.next(this.now);
      if (sending === undefined) break;
      this.#send(this.#byId(sending.deviceId), sending);
    }
    this.bytesHeldMost = Math.max(this.bytesHeldMost, this.#schedule.bytesHeld);
  }

  #send(device: SimulatedDevice, sending: Sending<Order>): void {
    this.#schedule.handed(sending, this.now);
    device.underWay.add(sending);
    device.sent += 1;
    device.longestWaitMs = Math.max(device.longestWaitMs, this.now - (device.waitsSince ?? this.now));
    device.waitsSince = undefined;
    const msOf = (bytes: number) => (bytes / device.bytesPerSecond) * 1_000;
    const isLeft = device.sent > device.stopsAfter;
    const carriedAt = isLeft
      ? Number.POSITIVE_INFINITY
      : Math.max(this.now, device.carriedAt) + msOf(limits.chunkBytes);
    device.carriedAt = carriedAt;
    // The socket has taken all of it when no more is left to carry than it holds.
    const takenAt = Math.max(this.now, carriedAt - msOf(device.socketBytes));
    if (takenAt >= device.vanishesAt || isLeft) return;
    const { connection } = device;
    const life = this.#life;
    const isSame = () => life === this.#life && connection === device.connection;
    this.#at(takenAt, () => {
      if (isSame()) this.#done(device, sending, limits.chunkBytes);
    });
    this.#at(carriedAt + ROUND_TRIP_MS, () => {
      if (!isSame() || carriedAt >= device.vanishesAt) return;
      device.asked.delete(sending.order.digest);
      device.have.add(sending.order.digest);
      if (device.have.size === device.chunks) device.endedAt = this.now;
      else this.#ask(device);
    });
  }

  #done(device: SimulatedDevice, sending: Sending<Order>, bytes: number | undefined): void {
    device.underWay.delete(sending);
    this.#schedule.done(sending, bytes, this.now);
    const isOver = device.asked.size + device.have.size === device.have.size;
    if (device.underWay.size === 0 && !isOver) device.waitsSince ??= this.now;
    this.#start();
  }

  /** What the hub does now and then while devices wait. */
  #look(): void {
    for (const id of this.#schedule.isCongested
      ? this.#schedule.relieve(this.now, (id) => this.#markOf(id))
      : []) {
      this.closed.add(id);
      const device = this.#byId(id);
      this.#disconnect(device);
      this.#at(this.now + RECONNECT_MS, () => this.#ask(device));
    }
    this.#start();
    this.#at(this.now + CHECK_MS, () => this.#look());
  }

  /** The kernel of the hub takes more when a third of its buffer is empty again: until then nothing seems to move. */
  #markOf(id: string): number {
    const { bytesPerSecond, vanishesAt, socketBytes, carriedAt, underWay } = this.#byId(id);
    if (!Number.isFinite(carriedAt) || this.now >= vanishesAt) return underWay.size * limits.chunkBytes;
    const left = ((carriedAt - this.now) * bytesPerSecond) / 1_000 - socketBytes;
    return Math.max(0, Math.ceil(left / (socketBytes / 3)) * (socketBytes / 3));
  }

  #byId(id: string): SimulatedDevice {
    return this.devices[Number(id.slice('device-'.length))]!;
  }

  /** Its writes fail. */
  #disconnect(device: SimulatedDevice): void {
    this.#schedule.drop(device.id, this.now);
    device.connection += 1;
    device.sent = 0;
    device.carriedAt = this.now;
    device.asked.clear();
    for (const sending of device.underWay) this.#done(device, sending, undefined);
  }

  #at(at: number, act: () => void): void {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.at > at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { at, act });
  }
}
