/** Deletes the oldest telemetry: what is past retention, and what exceeds the space limit. */
import type { Logger } from '../../platform/logger.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { OldBucket, TelemetryStore } from './telemetry-store.ts';

/** Interval at which early deletion is logged. */
const REPORT_MS = 3_600_000;

export interface BucketRetentionProps {
  readonly store: TelemetryStore;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: Logger;
  /** How long buckets are kept at most. */
  readonly keptMs: number;
  /** Limit of their total size on the disk. */
  readonly bytesMax: number;
}

export class BucketRetention implements Expirable {
  readonly kind = 'telemetry';
  readonly rule: string;
  readonly bytesMax: number;
  readonly #props: BucketRetentionProps;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(props: BucketRetentionProps) {
    this.#props = props;
    this.bytesMax = props.bytesMax;
    const { keptMs, bytesMax } = props;
    this.rule = `older than ${formatDuration(keptMs)} (--telemetry-kept), and the oldest beyond ${formatBytes(bytesMax)} (--telemetry-max)`;
  }

  /** The approximate size of all buckets on the disk. */
  storedBytes(): Promise<number> {
    return this.#props.store.storedBytes();
  }

  async find(now: number, limit: number): Promise<Found> {
    const excess = (await this.storedBytes()) - this.bytesMax;
    let count = 0;
    let bytes = 0;
    let oldestAt: number | undefined;
    for await (const bucket of this.#props.store.oldest()) {
      const isDue = bucket.bucketAt < now - this.#props.keptMs || bytes < excess;
      if (!isDue) return { count, bytes, oldestAt, isMore: false };
      if (count === limit) return { count, bytes, oldestAt, isMore: true };
      oldestAt ??= bucket.bucketAt;
      count += 1;
      bytes += bucket.bytes;
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
    this.#report(tooMuch);
    return { ...sumOf([...old, ...tooMuch]), isMore: tooMuch.length === max };
  }

  #report(removed: readonly OldBucket[]): void {
    const { clock, logger, keptMs } = this.#props;
    if (clock.monotonic() - this.#sentAt < REPORT_MS) return;
    this.#sentAt = clock.monotonic();
    const newest = removed.at(-1);
    logger.warn(
      {
        bytesMax: this.bytesMax,
        keptMs,
        ...(newest ? { removedUpTo: new Date(newest.bucketAt).toISOString() } : {}),
      },
      'telemetry exceeds its limit and is deleted early: raise --telemetry-max or lower --telemetry-kept',
    );
  }
}

function sumOf(removed: readonly OldBucket[]): { readonly count: number; readonly bytes: number } {
  return { count: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}
