import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { type SimulatedDeviceOptions, SimulatedDownloads } from '../../../support/simulated-downloads.ts';

const CHUNK = limits.chunkBytes;
const fast = { bytesPerSecond: 20_000_000, chunks: 80 } as const;
const slow = { bytesPerSecond: 125_000, chunks: 80 } as const;
const many = (count: number, device: SimulatedDeviceOptions) => Array.from({ length: count }, () => device);

/** Milliseconds that the first device took. */
const timeOf = (downloads: SimulatedDownloads) =>
  downloads.devices[0]!.endedAt! - downloads.devices[0]!.startsAt;

describe('ChunkSchedule', () => {
  it('serves every device to the end, holds no more than it may, and leaves nothing behind, whoever comes, goes or fails', () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seededRandom(seed);
      const between = (low: number, high: number) => low * (high / low) ** random();
      const places = Math.round(between(1, 32));
      const options = {
        fastBytesMax: Math.round(places) * CHUNK,
        slowBytesMax: Math.round(between(1, 32)) * CHUNK,
        ...(random() < 0.5 && { restartAt: between(100, 60_000) }),
        devices: Array.from({ length: Math.round(between(2, 120)) }, () => {
          const bytesPerSecond = between(5_000, 50_000_000);
          return {
            bytesPerSecond,
            // At most what the line carries in a minute: a socket holds no more of a slow one.
            socketBytes: Math.round(Math.min(between(8 * 1024, 2 * 1024 * 1024), 60 * bytesPerSecond)),
            chunks: Math.round(between(1, 12)),
            startsAt: random() < 0.5 ? 0 : between(1, 30_000),
            ...(random() < 0.15 && { vanishesAt: between(100, 60_000) }),
          };
        }),
      };
      const downloads = new SimulatedDownloads(options).run();
      const left = downloads.devices.filter((d) => d.endedAt === undefined && !Number.isFinite(d.vanishesAt));
      expect(left, `seed ${seed}`).toEqual([]);
      expect(downloads.bytesHeldMost, `seed ${seed}`).toBeLessThanOrEqual(
        options.fastBytesMax + options.slowBytesMax,
      );
      const vanished = downloads.devices.filter((d) => d.underWay.size > 0);
      const held = vanished.reduce((sum, d) => sum + d.underWay.size * CHUNK, 0);
      expect(downloads.bytesHeld, `seed ${seed}`).toBe(held);
      // Only who takes nothing is closed.
      const closed = downloads.devices.filter((d) => downloads.closed.has(d.id));
      expect(
        closed.every((d) => Number.isFinite(d.vanishesAt)),
        `seed ${seed}`,
      ).toBe(true);
    }
  });

  it('makes a fast device at most twice as slow beside a hundred slow ones, and beside fifteen hundred', () => {
    const alone = timeOf(new SimulatedDownloads({ devices: [fast] }).run());
    for (const count of [100, 1_500]) {
      // It comes when the others have long been served.
      const beside = new SimulatedDownloads({
        devices: [{ ...fast, startsAt: 15_000 }, ...many(count, slow)],
      });
      beside.run(15_000 + 3 * alone);
      expect(beside.devices[0]!.endedAt, `${count} slow devices`).toBeDefined();
      expect(timeOf(beside), `${count} slow devices`).toBeLessThan(2 * alone);
    }
  });

  it('keeps a thousand lines of 1 Mbit/s as busy as one', () => {
    const device = { ...slow, chunks: 16 };
    const alone = timeOf(new SimulatedDownloads({ devices: [device] }).run());
    const crowd = new SimulatedDownloads({ devices: many(1_000, device) }).run();
    expect(Math.max(...crowd.devices.map((d) => d.endedAt!))).toBeLessThan(1.3 * alone);
  });

  it('shares places alike: once measured, devices with like lines get as much as one another', () => {
    const downloads = new SimulatedDownloads({
      fastBytesMax: 4 * CHUNK,
      slowBytesMax: 8 * CHUNK,
      devices: many(60, slow),
    }).run(60_000);
    const before = downloads.devices.map((d) => d.have.size);
    expect(Math.min(...before)).toBeGreaterThan(0);
    downloads.run(240_000);
    const got = downloads.devices.map((d, n) => d.have.size - before[n]!);
    expect(Math.min(...got)).toBeGreaterThan(5);
    expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(2);
  });

  it('lets nobody wait for longer than a turn of the others takes', () => {
    const places = 12;
    const devices = many(60, { ...slow, chunks: 12 });
    const downloads = new SimulatedDownloads({
      fastBytesMax: 4 * CHUNK,
      slowBytesMax: 8 * CHUNK,
      devices,
    }).run();
    const chunkMs = (CHUNK / slow.bytesPerSecond) * 1_000;
    const turnMs = Math.ceil(devices.length / (places - 4)) * chunkMs;
    expect(Math.max(...downloads.devices.map((d) => d.longestWaitMs))).toBeLessThan(1.5 * turnMs);
  });

  it('goes on when devices that had every place take nothing any more, at the latest when their time to read is over', () => {
    const lastEnd = (count: number, gone: Partial<SimulatedDeviceOptions>) => {
      const downloads = new SimulatedDownloads({
        fastBytesMax: 4 * CHUNK,
        slowBytesMax: 4 * CHUNK,
        devices: [
          ...many(count, { ...slow, vanishesAt: 3_000, ...gone }),
          ...many(10, { ...fast, startsAt: 5_000 }),
        ],
      }).run();
      return Math.max(...downloads.devices.slice(count).map((d) => d.endedAt!));
    };
    // Their connections are found dead, or they live and do not read.
    expect(lastEnd(30, {})).toBeLessThan(60_000);
    expect(lastEnd(8, { missedAt: Number.POSITIVE_INFINITY })).toBeLessThan(2 * limits.sendingStallMs);
  });

  it('makes those that read a little and stop wait for one another, and nobody else, however often they come back', () => {
    // More of them than there are places.
    const hostile = many(1_500, { ...fast, chunks: 100_000, stopsAfter: 3 });
    const honest = many(20, { ...slow, chunks: 40, startsAt: 60_000 });
    const downloads = new SimulatedDownloads({ devices: [...honest, ...hostile] }).run(300_000);
    const ends = downloads.devices.slice(0, honest.length).map((d) => d.endedAt);
    const aloneMs = (40 * CHUNK * 1_000) / slow.bytesPerSecond;
    expect(ends.every((endedAt) => endedAt !== undefined)).toBe(true);
    expect(Math.max(...ends.map((endedAt) => endedAt! - 60_000))).toBeLessThan(1.2 * aloneMs);
  });

  it('finishes lines that need many minutes for a chunk, whose sockets move in steps, though others wait', () => {
    const lines = [2_000, 700, 300].map((bytesPerSecond) => ({ bytesPerSecond, chunks: 2 }));
    const downloads = new SimulatedDownloads({
      fastBytesMax: 2 * CHUNK,
      slowBytesMax: 4 * CHUNK,
      stalledBytesMax: 2 * CHUNK,
      devices: [...lines, ...many(10, { ...slow, chunks: 1_000 })],
    }).run(3_600_000);
    const ends = downloads.devices.slice(0, lines.length).map((d) => d.endedAt);
    expect(ends.every((endedAt) => endedAt !== undefined)).toBe(true);
  });

  it('trusts a device that stalled again once it has taken enough', () => {
    const once = { ...fast, chunks: 60, stopsAfter: 8 };
    const downloads = new SimulatedDownloads({
      fastBytesMax: 2 * CHUNK,
      slowBytesMax: 4 * CHUNK,
      devices: [once, ...many(12, { ...slow, chunks: 400 })],
    });
    downloads.run(10_000);
    downloads.devices[0]!.stopsAfter = Number.POSITIVE_INFINITY;
    downloads.run(300_000);
    expect(downloads.closed).toEqual(new Set(['device-0']));
    expect(downloads.devices[0]!.endedAt).toBeDefined();
  });
});
