import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { ClockFloor } from '../../agent/trust/clock-floor.ts';
import { VerifiedFiles } from '../../agent/trust/verified-files.ts';
import { VerifiedVersions } from '../../agent/trust/verified-versions.ts';
import type { WithFreeSpace } from '../../platform/disk-reserve.ts';
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { tempFolder } from './temp-folder.ts';
import { TrustWorld, type TrustWorldOptions } from './trust-world.ts';

export const START_MS = Date.parse('2031-05-01T00:00:00Z');

/** What a device verifies, on a clock that the test moves. */
export class TrustingDevice {
  nowMs = START_MS;
  /** The hub's clock; undefined: it cannot be seen. */
  hubMs: number | undefined;
  #passedMs = 0;
  readonly folder: string;
  readonly clock: Clock;
  withFreeSpace: WithFreeSpace | undefined;
  versions!: VerifiedVersions;
  floor!: ClockFloor;

  constructor(folder: string) {
    this.folder = folder;
    this.clock = {
      ...systemClock,
      now: () => this.nowMs,
      monotonic: () => systemClock.monotonic() + this.#passedMs,
    };
  }

  /** Lets time pass, on both clocks. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.#passedMs += ms;
  }

  static async enrol(world: TrustWorld, folder?: string): Promise<TrustingDevice> {
    const device = new TrustingDevice(folder ?? (await tempFolder()));
    await writeFile(join(device.folder, 'root.json'), world.roots[0]!);
    await device.restart();
    world.sendTo(device.versions);
    return device;
  }

  async restart(): Promise<void> {
    this.floor = await ClockFloor.open(join(this.folder, 'clock-floor.json'), this.clock);
    this.versions = new VerifiedVersions({
      files: new VerifiedFiles(this.folder),
      floor: this.floor,
      clock: this.clock,
      withFreeSpace: this.withFreeSpace,
      hubTime: async () => this.hubMs,
      logger: pino({ level: 'silent' }),
      timeoutMs: 300,
    });
  }
}

/** A hub's trust, with one published version. */
export function makeWorld(options: Partial<TrustWorldOptions> = {}): TrustWorld {
  const world = new TrustWorld({ nowMs: START_MS, ...options });
  world.publish('air', '1.0.0', 1);
  return world;
}
