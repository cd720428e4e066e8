/**
 * Compacts old buckets: those older than a day are merged into whole hours, so that a device has some 1,800 rows
 * and not 20,000. Merging is addition, so no figure changes; only its resolution in time is reduced.
 */

import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { FigureSums } from './figure-sums.ts';
import { addStored } from './stored-sums.ts';
import { type BucketKey, bucketText, type TelemetryStore } from './telemetry-store.ts';

export const coarseMs = 3_600_000;
/** Two hours of a device, at one bucket a minute: an hour that is cut off is written twice. */
const ROWS_PER_PASS = 120;

export class BucketCompaction {
  readonly #store: TelemetryStore;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(props: { readonly store: TelemetryStore; readonly clock: Clock; readonly logger: Logger }) {
    this.#store = props.store;
    this.#clock = props.clock;
    this.#logger = props.logger;
  }

  /** Start of the time that still has its detail; a multiple of an hour. */
  detailFromMs(): number {
    return Math.floor((this.#clock.now() - limits.telemetryDetailKeptMs) / coarseMs) * coarseMs;
  }

  /** Merges a bounded number of buckets; returns how many were merged. */
  async pass(): Promise<number> {
    return this.#store.transaction(async (tx) => {
      const fine = await this.#store.fineBefore(this.detailFromMs(), ROWS_PER_PASS, tx);
      if (fine.length === 0) return 0;
      const hours = new Map<string, { readonly key: BucketKey; readonly sums: FigureSums }>();
      for (const bucket of fine) {
        const key = { ...bucket, bucketAt: Math.floor(bucket.bucketAt / coarseMs) * coarseMs };
        const text = bucketText(key);
        const hour = hours.get(text) ?? { key, sums: new FigureSums() };
        hours.set(text, hour);
        addStored(hour.sums, bucket, this.#logger);
      }
      const keys = [...hours.values()].map((hour) => hour.key);
      for (const [text, body] of await this.#store.buckets(tx, keys)) {
        const { key, sums } = hours.get(text)!;
        addStored(sums, { ...key, body }, this.#logger);
      }
      await this.#store.saveBuckets(
        tx,
        [...hours.values()].map(({ key, sums }) => ({ ...key, body: sums.encode() })),
      );
      await this.#store.removeBuckets(tx, fine);
      return fine.length;
    });
  }
}
