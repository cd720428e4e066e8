/** Removes the oldest telemetry of devices: what is too old, and what is too much. Rollups of the same time stay. */
import type { Logger } from '../../../platform/logger.ts';
import { formatBytes } from '../../../shared/base/bytes.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import { formatDuration } from '../../../shared/base/duration.ts';
import { limits } from '../../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../../retention/expirable.ts';
import type { DeviceHourStore, OldDeviceHour } from './device-hour-store.ts';

/** How often the log says that telemetry is deleted early. */
const REPORT_MS = 3_600_000;

export interface DeviceHourRetentionProps {
  readonly store: DeviceHourStore;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: Logger;
  /** How long device hours are kept at most. */
  readonly keptMs: number;
  /** Size on the disk above which the oldest are removed. */
  readonly bytesMax: number;
}

export class DeviceHourRetention implements Expirable {
  readonly kind = 'telemetry';
  readonly rule: string;
  readonly bytesMax: number;
  readonly #props: DeviceHourRetentionProps;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(props: DeviceHourRetentionProps) {
    this.#props = props;
    this.bytesMax = props.bytesMax;
    const { keptMs, bytesMax } = props;
    this.rule = `older than ${formatDuration(keptMs)} (--telemetry-kept), and the oldest beyond ${formatBytes(bytesMax)} (--telemetry-max)`;
  }

  /** Approximate size of all stored telemetry. */
  storedBytes(): Promise<number> {
    return this.#props.store.storedBytes();
  }

  async find(now: number, limit: number): Promise<Found> {
    const excess = (await this.storedBytes()) - this.bytesMax;
    let count = 0;
    let bytes = 0;
    let oldestAt: number | undefined;
    for await (const hour of this.#props.store.oldest()) {
      const isDue = hour.hourAt < now - this.#props.keptMs || bytes < excess;
      if (!isDue) return { count, bytes, oldestAt, isMore: false };
      if (count === limit) return { count, bytes, oldestAt, isMore: true };
      oldestAt ??= hour.hourAt;
      count += 1;
      bytes += hour.bytes;
    }
    return { count, bytes, oldestAt, isMore: false };
  }

  async removeSome(now: number): Promise<Removed> {
    const { store, keptMs } = this.#props;
    const max = limits.telemetryRowsRemovedPerPassMax;
    const old = await store.removeBefore(now - keptMs, max);
    if (old.length === max) return { ...sumOf(old), isMore: true };
    const excess = (await this.storedBytes()) - this.bytesMax;
    if (excess <= 0) return { ...sumOf(old), isMore: false };
    const tooMuch = await store.removeOldest(excess, max);
    if (tooMuch.length > 0) this.#report(tooMuch);
    return { ...sumOf([...old, ...tooMuch]), isMore: tooMuch.length === max };
  }

  #report(removed: readonly OldDeviceHour[]): void {
    const { clock, logger, keptMs } = this.#props;
    if (clock.monotonic() - this.#sentAt < REPORT_MS) return;
    this.#sentAt = clock.monotonic();
    const newest = removed.at(-1);
    logger.warn(
      {
        bytesMax: this.bytesMax,
        keptMs,
        ...(newest ? { removedUpTo: new Date(newest.hourAt).toISOString() } : {}),
      },
      'telemetry exceeds its limit and is deleted early: raise --telemetry-max or lower --telemetry-kept',
    );
  }
}

function sumOf(removed: readonly OldDeviceHour[]): { readonly count: number; readonly bytes: number } {
  return { count: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}
