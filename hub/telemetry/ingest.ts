/**
 * Merges reports of all devices, hundreds in one transaction. A report's promise resolves when its commit is durable (promise
 * P4). Each stream's numbers grow; a report not above the stored number was merged before and changes nothing.
 *
 * A bucket is chosen by the hub's clock at the moment of the merge, not by the device's: device clocks may be years off,
 * and windows that were spooled offline are new when they arrive.
 */

import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { decodeTelemetryReport, type TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { isStorageTrouble } from '../db/storage-trouble.ts';
import type { Tables } from '../db/tables.ts';
import type { DeviceInbox, Entry, EntryWriter } from '../inbox/device-inbox.ts';
import type { RefusalListener } from '../security/refusal.ts';
import type { CheckedReport, ReportCheck } from './checked-report.ts';
import type { Evidence, EvidenceReport } from './evidence.ts';
import { FigureSums } from './figure-sums.ts';
import { addStored } from './stored-sums.ts';
import { type Bucket, bucketText, streamText, type TelemetryStore } from './telemetry-store.ts';

export interface IngestProps {
  readonly inbox: Pick<DeviceInbox, 'store'>;
  readonly store: TelemetryStore;
  readonly check: ReportCheck;
  readonly evidence: Evidence;
  /** Which of these are devices of the hub. */
  readonly fleet: {
    present(deviceIds: readonly string[], tx: Transaction<Tables>): Promise<ReadonlySet<string>>;
  };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refusals?: RefusalListener;
  readonly bucketMs: number;
}

/** How many reports were merged, duplicate or refused since the start. */
export interface IngestCounts {
  merged: number;
  duplicate: number;
  /** Refused by error code. */
  readonly refused: Record<string, number>;
}

interface Received {
  readonly payload: Uint8Array;
  /** Undefined until it is checked. */
  outcome?: CheckedReport | 'refused';
  /** What it counts for, when that is a rollout under way. */
  evidence?: EvidenceReport | undefined;
}

interface Checked {
  readonly deviceId: string;
  readonly report: CheckedReport;
}

export class TelemetryIngest implements EntryWriter<Received> {
  readonly counts: IngestCounts = { merged: 0, duplicate: 0, refused: {} };
  readonly #props: IngestProps;

  constructor(props: IngestProps) {
    this.#props = props;
  }

  /**
   * Resolves when the report is durably merged, was merged before, or is refused (counted and logged): the device need
   * not send it again. Rejects when it could not be stored: the device must keep it.
   */
  receive(deviceId: string, payload: Uint8Array): Promise<void> {
    const body: Received = { payload };
    return this.#props.inbox.store(this, { deviceId, body, bytes: payload.byteLength });
  }

  async prepare(entries: readonly Entry<Received>[]): Promise<void> {
    for (const { deviceId, body } of entries) body.outcome ??= await this.#checked(deviceId, body.payload);
    const belonging = await this.#props.evidence.belonging(reportsOf(entries));
    const byReport = new Map(belonging.map((one) => [one.report, one]));
    for (const { body } of entries) {
      if (isReport(body.outcome)) body.evidence = byReport.get(body.outcome);
    }
  }

  async write(entries: readonly Entry<Received>[], tx: Transaction<Tables>): Promise<() => void> {
    const all = reportsOf(entries);
    const ids = new Set(all.map(({ deviceId }) => deviceId));
    const present = await this.#props.fleet.present([...ids], tx);
    const reports = all.filter(({ deviceId }) => present.has(deviceId));
    const belonging = entries.flatMap(({ deviceId, body }) =>
      present.has(deviceId) ? (body.evidence ?? []) : [],
    );
    const { merged, refused } = await this.#merge(reports, belonging, tx);
    return () => {
      this.counts.merged += merged;
      this.counts.duplicate += reports.length - merged - refused.size;
      for (const { deviceId } of all)
        if (!present.has(deviceId)) this.#refuse(deviceId, removedError(deviceId));
      for (const { deviceId, report } of reports) {
        const error = refused.get(report);
        if (error) this.#refuse(deviceId, error);
      }
    };
  }

  /** Returns how many were merged, and those whose time cannot hold them; the others were merged before. */
  async #merge(
    reports: readonly Checked[],
    belonging: readonly EvidenceReport[],
    tx: Transaction<Tables>,
  ): Promise<{ readonly merged: number; readonly refused: ReadonlyMap<CheckedReport, AppError> }> {
    const { store, evidence, clock, bucketMs } = this.#props;
    const now = clock.now();
    const streams = new Map(
      reports.map(({ deviceId, report }) => {
        const key = { deviceId, stream: report.stream };
        return [streamText(key), key];
      }),
    );
    const before = await store.streamNumbers(tx, [...streams.values()]);
    const numbers = new Map(before);
    const newReports = reports.filter(({ deviceId, report }) => {
      const text = streamText({ deviceId, stream: report.stream });
      if (report.number <= (numbers.get(text) ?? 0)) return false;
      numbers.set(text, report.number);
      return true;
    });
    if (newReports.length === 0) return { merged: 0, refused: new Map() };
    const isNew = new Set(newReports.map(({ report }) => report));
    const claims = belonging.filter(({ report }) => isNew.has(report));
    const refused = await evidence.add(tx, claims, now);
    const fresh = newReports.filter(({ report }) => !refused.has(report));
    await this.#addToBuckets(fresh, Math.floor(now / bucketMs) * bucketMs, tx);
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
    return { merged: fresh.length, refused };
  }

  async #addToBuckets(fresh: readonly Checked[], bucketAt: number, tx: Transaction<Tables>): Promise<void> {
    const { store, logger } = this.#props;
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
      if (body) addStored(sum, { ...key, body }, logger);
      sums.set(text, sum);
    }
    for (const { deviceId, report } of fresh) {
      const { model, version } = report;
      sums.get(bucketText({ deviceId, model, version, bucketAt }))!.add(report);
    }
    const buckets: Bucket[] = [...keys].map(([text, key]) => ({ ...key, body: sums.get(text)!.encode() }));
    await store.saveBuckets(tx, buckets);
  }

  /** The report, or that it is refused. Throws when that cannot be decided now. */
  async #checked(deviceId: string, payload: Uint8Array): Promise<CheckedReport | 'refused'> {
    let report: TelemetryReport | undefined;
    try {
      report = decodeTelemetryReport(payload);
      return await this.#props.check.check(deviceId, report);
    } catch (error) {
      // What cannot be read now cannot be read later either: it must not fail the batch, which is of many devices.
      const isRefused = report === undefined || (isAppError(error) && error.entry.retry !== 'later');
      if (!isRefused || isStorageTrouble(error)) throw error;
      this.#refuse(deviceId, error);
      return 'refused';
    }
  }

  #refuse(deviceId: string, error: unknown): void {
    const code = isAppError(error) ? error.code : 'internal';
    this.counts.refused[code] = (this.counts.refused[code] ?? 0) + 1;
    const reason = `telemetry: ${errorText(error)} (${code})`;
    this.#props.refusals?.refused({ kind: 'payload', actor: `device:${deviceId}`, reason });
  }
}

/** It was in flight when the device was removed. */
function removedError(deviceId: string): AppError {
  return new AppError('not_found', `Cannot accept telemetry of "${deviceId}": no device has this id.`);
}

function isReport(outcome: Received['outcome']): outcome is CheckedReport {
  return outcome !== undefined && outcome !== 'refused';
}

function reportsOf(entries: readonly Entry<Received>[]): Checked[] {
  return entries.flatMap(({ deviceId, body: { outcome } }) =>
    isReport(outcome) ? [{ deviceId, report: outcome }] : [],
  );
}
