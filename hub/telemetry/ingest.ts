/**
 * Takes reports of all devices and merges them in group commits: what arrives while a commit is under way, or within a
 * few milliseconds, shares the next one, so that one flush to disk serves hundreds of reports. A report's promise
 * resolves when its commit is durable (promise P4). Each stream's numbers grow; what is not above the stored number was
 * merged before and changes nothing.
 *
 * A bucket is chosen by the hub's clock at the moment of the merge, not by the device's: device clocks may be years off,
 * and windows that were spooled offline are news when they arrive.
 */

import type { Logger } from '../../platform/logger.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { decodeTelemetryReport, type TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import type { CheckedReport, ReportCheck } from './checked-report.ts';
import type { Evidence } from './evidence.ts';
import { FigureSums } from './figure-sums.ts';
import { addStored } from './stored-sums.ts';
import { type Bucket, bucketText, streamText, type TelemetryStore } from './telemetry-store.ts';

export interface IngestProps {
  readonly store: TelemetryStore;
  readonly check: ReportCheck;
  readonly evidence: Evidence;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bucketMs: number;
  /** Bounds; tests lower them. */
  readonly queueReportsMax?: number;
  readonly queueBytesMax?: number;
}

/** What became of the reports since the start. */
export interface IngestCounts {
  merged: number;
  duplicate: number;
  /** Refused by error code. */
  readonly refused: Record<string, number>;
}

interface Waiting {
  readonly deviceId: string;
  readonly payload: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class TelemetryIngest {
  readonly counts: IngestCounts = { merged: 0, duplicate: 0, refused: {} };
  readonly #props: IngestProps;
  readonly #queue: Waiting[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(props: IngestProps) {
    this.#props = props;
  }

  /**
   * Resolves when the report is durably merged, was merged before, or is refused (counted and logged): the device need
   * not send it again. Rejects with `telemetry_busy` when the queue is full, and with the cause when it could not be
   * stored: the device must keep it.
   */
  receive(deviceId: string, payload: Uint8Array): Promise<void> {
    const {
      queueReportsMax = limits.telemetryQueueReportsMax,
      queueBytesMax = limits.telemetryQueueBytesMax,
    } = this.#props;
    // Not by the size of this one: a smaller one right behind it would be taken, and this one, sent again, pass for a duplicate.
    const isFull = this.#queue.length >= queueReportsMax || this.#queuedBytes >= queueBytesMax;
    if (this.#closed || isFull) {
      return Promise.reject(
        new AppError(
          'telemetry_busy',
          `Cannot take telemetry of "${deviceId}": ${this.#queue.length} reports wait to be stored.`,
          { retryAfterMs: 5_000 },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ deviceId, payload, resolve, reject });
      this.#queuedBytes += payload.byteLength;
      this.#running ??= this.#run();
    });
  }

  /** Takes nothing more; resolves when what was taken is stored. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // Let the loop take in what has arrived; wait a little when that is not yet a full batch.
      await new Promise((resolve) =>
        this.#queue.length < limits.telemetryBatchReportsMax && !this.#closed
          ? setTimeout(resolve, limits.telemetryBatchWaitMs)
          : setImmediate(resolve),
      );
      const batch = this.#queue.splice(0, limits.telemetryBatchReportsMax);
      for (const waiting of batch) this.#queuedBytes -= waiting.payload.byteLength;
      try {
        await this.#merge(batch);
        for (const waiting of batch) waiting.resolve();
      } catch (error) {
        this.#props.logger.error({ err: error, reports: batch.length }, 'telemetry could not be stored');
        // Those behind it must not be merged first: a lower number that comes again would pass for a duplicate.
        const behind = this.#queue.splice(0);
        this.#queuedBytes = 0;
        for (const waiting of [...batch, ...behind]) waiting.reject(error);
      }
    }
    this.#running = undefined;
  }

  async #merge(batch: readonly Waiting[]): Promise<void> {
    const reports: { deviceId: string; report: CheckedReport }[] = [];
    for (const { deviceId, payload } of batch) {
      const report = await this.#checked(deviceId, payload);
      if (report) reports.push({ deviceId, report });
    }
    if (reports.length === 0) return;
    const { store, evidence, clock, bucketMs } = this.#props;
    const now = clock.now();
    const bucketAt = Math.floor(now / bucketMs) * bucketMs;
    const belonging = await evidence.belonging(reports);
    let merged = 0;
    let refused: ReadonlyMap<CheckedReport, AppError> = new Map();
    await store.transaction(async (tx) => {
      const streams = new Map(
        reports.map(({ deviceId, report }) => {
          const key = { deviceId, stream: report.stream };
          return [streamText(key), key];
        }),
      );
      const before = await store.streamNumbers(tx, [...streams.values()]);
      const numbers = new Map(before);
      const news = reports.filter(({ deviceId, report }) => {
        const text = streamText({ deviceId, stream: report.stream });
        if (report.number <= (numbers.get(text) ?? 0)) return false;
        numbers.set(text, report.number);
        return true;
      });
      if (news.length === 0) return;
      const isNews = new Set(news.map(({ report }) => report));
      refused = await evidence.add(
        tx,
        belonging.filter(({ report }) => isNews.has(report)),
        now,
      );
      const fresh = news.filter(({ report }) => !refused.has(report));
      merged = fresh.length;

      const keys = new Map(
        fresh.map(({ deviceId, report: { model, version } }) => {
          const key = { deviceId, model, version, bucketAt };
          return [bucketText(key), key];
        }),
      );
      const bodies = await store.buckets(tx, [...keys.values()]);
      const sums = new Map<string, FigureSums>();
      for (const [text, key] of keys) {
        const sum = new FigureSums();
        const body = bodies.get(text);
        if (body) addStored(sum, { ...key, body }, this.#props.logger);
        sums.set(text, sum);
      }
      for (const { deviceId, report } of fresh) {
        sums
          .get(bucketText({ deviceId, model: report.model, version: report.version, bucketAt }))!
          .add(report);
      }
      const buckets: Bucket[] = [...keys].map(([text, key]) => ({ ...key, body: sums.get(text)!.encode() }));
      await store.saveBuckets(tx, buckets);

      const moved = [...streams].filter(([text]) => numbers.get(text) !== before.get(text));
      await store.saveStreams(
        tx,
        moved.map(([text, key]) => ({ ...key, number: numbers.get(text)! })),
        now,
      );
      // A new stream comes with each start of an agent; a device cannot fill the table with them.
      const started = new Set(moved.filter(([text]) => !before.has(text)).map(([, key]) => key.deviceId));
      for (const deviceId of started) {
        await store.trimStreams(tx, deviceId, limits.telemetryStreamsPerDeviceMax);
      }
    });
    this.counts.merged += merged;
    this.counts.duplicate += reports.length - merged - refused.size;
    for (const { deviceId, report } of reports) {
      const error = refused.get(report);
      if (error) this.#refuse(deviceId, error);
    }
  }

  /** The report, or undefined when it is refused. Throws when that cannot be told now. */
  async #checked(deviceId: string, payload: Uint8Array): Promise<CheckedReport | undefined> {
    let report: TelemetryReport | undefined;
    try {
      report = decodeTelemetryReport(payload);
      return await this.#props.check.check(deviceId, report);
    } catch (error) {
      // What cannot be read cannot be read the next time either: it must not take the batch, which is of many devices, with it.
      const isRefused = report === undefined || (isAppError(error) && error.entry.retry !== 'later');
      if (!isRefused) throw error;
      this.#refuse(deviceId, error);
      return undefined;
    }
  }

  #refuse(deviceId: string, error: unknown): void {
    const code = isAppError(error) ? error.code : 'internal';
    this.counts.refused[code] = (this.counts.refused[code] ?? 0) + 1;
    this.#props.logger.warn(
      { device: deviceId, code, reason: errorText(error) },
      'a telemetry report is refused',
    );
  }
}
