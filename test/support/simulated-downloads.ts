/**
 * A hub's line of downloads and devices with lines and socket buffers of their own, in time that is only counted. Devices
 * ask as agents do: never for more than their credit, and again for all of it when the hub was started anew.
 */
import { ChunkSchedule, type ChunkScheduleOptions, type Sending } from '../../hub/transfer/chunk-schedule.ts';
import { limits } from '../../shared/base/limits.ts';

const LOOK_MS = 250;
const ROUND_TRIP_MS = 20;
const KEEPALIVE_MS = 45_000;

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

export interface SimulatedDevice extends Required<SimulatedDeviceOptions> {
  readonly id: string;
  readonly have: Set<string>;
  readonly asked: Set<string>;
  readonly underWay: Set<Sending<Order>>;
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
    this.#at(LOOK_MS, () => this.#look());
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
      this.#send(this.devices[Number(sending.deviceId.slice('device-'.length))]!, sending);
    }
    this.bytesHeldMost = Math.max(this.bytesHeldMost, this.#schedule.bytesHeld);
  }

  #send(device: SimulatedDevice, sending: Sending<Order>): void {
    this.#schedule.handed(sending, this.now);
    device.underWay.add(sending);
    device.longestWaitMs = Math.max(device.longestWaitMs, this.now - (device.waitsSince ?? this.now));
    device.waitsSince = undefined;
    const msOf = (bytes: number) => (bytes / device.bytesPerSecond) * 1_000;
    const carriedAt = Math.max(this.now, device.carriedAt) + msOf(limits.chunkBytes);
    device.carriedAt = carriedAt;
    // The socket has taken all of it when no more is left to carry than it holds.
    const takenAt = Math.max(this.now, carriedAt - msOf(device.socketBytes));
    if (takenAt >= device.vanishesAt) return;
    const life = this.#life;
    this.#at(takenAt, () => {
      if (life === this.#life) this.#done(device, sending, limits.chunkBytes);
    });
    this.#at(carriedAt + ROUND_TRIP_MS, () => {
      if (life !== this.#life || carriedAt >= device.vanishesAt) return;
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
    for (const id of this.#schedule.isCrowded ? this.#schedule.relieve(this.now) : []) {
      this.closed.add(id);
      this.#disconnect(this.devices.find((one) => one.id === id)!);
    }
    this.#start();
    this.#at(this.now + LOOK_MS, () => this.#look());
  }

  /** Its writes fail. */
  #disconnect(device: SimulatedDevice): void {
    this.#schedule.drop(device.id, this.now);
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
