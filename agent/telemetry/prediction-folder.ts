/** Segments of stored predictions as the last run left them, and as they may be after anybody had hands on the disk. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { setAside } from '../../platform/set-aside.ts';
import { listState } from '../../platform/state-folder.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { type LabelPlace, segmentHead } from './prediction-record.ts';
import { indexRecords, PredictionIndex, parseSegmentName, segmentName } from './prediction-segment.ts';

export const segmentBytesMax = 2 * 1024 * 1024;

export interface PredictionFolder {
  readonly folder: string;
  readonly logger: Logger;
}

/** Of the segments in the folder, in order; none when it cannot be read, which the first write tells. */
export async function segmentNumbers({ folder, logger }: PredictionFolder): Promise<readonly number[]> {
  try {
    const names = await listState(folder, 'files');
    return names.flatMap((name) => parseSegmentName(name) ?? []);
  } catch (error) {
    logger.error({ reason: errorText(error) }, 'stored answers could not be read');
    return [];
  }
}

export async function deleteSegments(
  { folder, logger }: PredictionFolder,
  numbers: readonly number[],
): Promise<void> {
  const paths = numbers.map((number) => join(folder, segmentName(number)));
  await Promise.all(paths.map((path) => rm(path, { force: true }))).catch((error: unknown) => {
    logger.error({ reason: errorText(error) }, 'stored answers could not be deleted');
  });
}

/** The whole records of a segment, and its index; undefined when there are none: what is no segment is set aside. */
export async function readSegment(
  { folder, logger }: PredictionFolder,
  number: number,
  labels: LabelPlace[],
): Promise<{ readonly bytes: Buffer; readonly index: PredictionIndex } | undefined> {
  const path = join(folder, segmentName(number));
  let reason = 'it has another format';
  try {
    const bytes = await readRegularFile(path, segmentBytesMax);
    const index = new PredictionIndex();
    const end = indexRecords(bytes, index, (place) => labels.push(place));
    if (end < bytes.length && end > 0) {
      const lost = bytes.length - end;
      logger.warn({ segment: number, bytes: lost }, 'the end of a file of stored answers was damaged');
    }
    if (end > 0) return { bytes: bytes.subarray(0, end), index };
    if (bytes.length < segmentHead.length) {
      // A crash came between its making and the first write.
      await rm(path, { force: true });
      return undefined;
    }
  } catch (error) {
    reason = errorText(error);
  }
  logger.error({ segment: number, reason }, 'a file of stored answers was unreadable and was moved aside');
  await setAside(path).catch(() => undefined);
  return undefined;
}
