/** Reads stored buckets: an unreadable one must not stop the telemetry of every other device. */
import type { Logger } from '../../platform/logger.ts';
import type { FigureSums } from './figure-sums.ts';
import { decodeSums } from './sums-encoding.ts';
import { type Bucket, bucketText } from './telemetry-store.ts';

/** Adds a stored bucket to `sums`; an unreadable one is logged and left out. */
export function addStored(sums: FigureSums, bucket: Bucket, logger: Logger): void {
  try {
    sums.add(decodeSums(bucket.body));
  } catch (error) {
    logger.error({ bucket: bucketText(bucket), err: error }, 'a telemetry bucket is unreadable and left out');
  }
}
