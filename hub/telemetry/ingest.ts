/**
 * Merges reports of all devices, hundreds in one transaction. A report's promise resolves when its commit is durable (promise
 * P4). Each stream's numbers grow; a report not above the stored number was merged before and changes nothing.
 *
 * The hour a report counts in is that of the hub's clock at the moment of the merge, not the device's: device clocks may be years
 * off, and windows that were spooled offline are news when they arrive.
 */

import type { Transaction } from 'kysely';
import { inflated } from '../../platform/deflated.ts';
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
import type { Cell } from './rollups/cell.ts';
import type { Addition, RollupWriter } from './rollups/rollup-writer.ts';
import { streamText, type TelemetryStore } from './telemetry-store.ts';

export interface IngestProps {
  readonly inbox: Pick<DeviceInbox, 'store'>;
  readonly store: TelemetryStore;
  readonly check: ReportCheck;
  readonly evidence: Evidence;
  readonly rollups: Pick<RollupWriter, 'add'>;
  readonly fleet: {
    /** The group of each of these that is a device of the hub. */
    groupsOf(deviceIds: readonly string[], tx: Transaction<Tables>): Promise<ReadonlyMap<string, string>>;
  };
  readonly controls: ControlLookup;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refusals?: RefusalListener;
}

export interface ControlLookup {
  /** For each of these, the rollout under way of the model that has not offered its version to the device yet. */
  waitingFor(
    devices: readonly { readonly deviceId: string; readonly model: string }[],
  ): Promise<readonly (string | undefined)[]>;
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
  /** The rollout that the device waits for. */
  waitsFor?: string | undefined;
}

interface Checked {
  readonly deviceId: string;
  readonly report: CheckedReport;
  readonly part: Pick<Cell, 'rolloutId' | 'arm'>;
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
  async receive(deviceId: string, sent: Uint8Array): Promise<void> {
    let payload: Uint8Array;
    try {
      // Before it is queued: a batch is bounded by the bytes of what is in it, not by what they were deflated to.
      payload = inflated(sent, 'telemetry report', limits.telemetryReportBytesMax);
    } catch (error) {
      this.#refuse(deviceId, error);
      return;
    }
    const body: Received = { payload };
    await this.#props.inbox.store(this, { deviceId, body, bytes: payload.byteLength });
  }

  async prepare(entries: readonly Entry<Received>[]): Promise<void> {
    for (const { deviceId, body } of entries) body.outcome ??= await this.#checked(deviceId, body.payload);
    const belonging = await this.#props.evidence.belonging(reportsOf(entries));
    const byReport = new Map(belonging.map((one) => [one.report, one]));
    for (const { body } of entries) {
      if (isReport(body.outcome)) body.evidence = byReport.get(body.outcome);
    }
    const others = entries.flatMap(({ deviceId, body }) =>
      isReport(body.outcome) && !body.evidence ? [{ deviceId, model: body.outcome.model, body }] : [],
    );
    const waitsFor = await this.#props.controls.waitingFor(others);
    for (const [i, { body }] of others.entries()) body.waitsFor = waitsFor[i];
  }

  async write(entries: readonly Entry<Received>[], tx: Transaction<Tables>): Promise<() => void> {
    const all = reportsOf(entries);
    const ids = new Set(all.map(({ deviceId }) => deviceId));
    const present = await this.#props.fleet.groupsOf([...ids], tx);
    const reports = all.filter(({ deviceId }) => present.has(deviceId));
    const belonging = entries.flatMap(({ deviceId, body }) =>
      present.has(deviceId) ? (body.evidence ?? []) : [],
    );
    const { merged, refused } = await this.#merge(reports, { belonging, groups: present }, tx);
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
    {
      belonging,
      groups,
    }: { readonly belonging: readonly EvidenceReport[]; readonly groups: ReadonlyMap<string, string> },
    tx: Transaction<Tables>,
  ): Promise<{ readonly merged: number; readonly refused: ReadonlyMap<CheckedReport, AppError> }> {
    const { store, evidence, rollups, clock } = this.#props;
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
    await rollups.add(
      tx,
      fresh.map(({ deviceId, report, part }): Addition => {
        const cell: Cell = { ...part, segment: '', group: groups.get(deviceId)! };
        const { model, version } = report;
        return { deviceId, model, version, cell, at: now, figures: report, profile: report.profile };
      }),
    );
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
  return entries.flatMap(({ deviceId, body }) =>
    isReport(body.outcome) ? [{ deviceId, report: body.outcome, part: partOf(body) }] : [],
  );
}

/** Counts for a rollout under way come from its canaries, and those of devices that wait for it from its controls. */
function partOf({ evidence, waitsFor }: Received): Pick<Cell, 'rolloutId' | 'arm'> {
  if (evidence) return { rolloutId: evidence.key.rolloutId, arm: 'canary' };
  return waitsFor === undefined ? { rolloutId: '', arm: 'rest' } : { rolloutId: waitsFor, arm: 'control' };
}
