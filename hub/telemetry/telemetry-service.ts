/** Telemetry of the fleet: ingests reports of devices, answers with their sums. */

import { setTimeout as wait } from 'node:timers/promises';
import type { FeatureCounts } from '../../shared/protocol/telemetry-report.ts';
import type { Database } from '../db/database.ts';
import { FigureBreakdown } from './breakdown/figure-breakdown.ts';
import { type OfferLookup, ReportCheck, type VersionLookup } from './checked-report.ts';
import { type ActivityQuery, ActivityStore, type JudgedDevice } from './device-hours/activity-store.ts';
import { DeviceHourStore } from './device-hours/device-hour-store.ts';
import { type AssignmentLookup, Evidence } from './evidence.ts';
import type { OfferEvidence } from './evidence-cache.ts';
import type { EvidenceStore } from './evidence-store.ts';
import { FigureSums } from './figure-sums.ts';
import { type ControlLookup, type IngestCounts, type IngestProps, TelemetryIngest } from './ingest.ts';
import { OlderBuckets } from './older-buckets.ts';
import { RemovedDevices } from './removed-devices.ts';
import { RollupReader, type RollupTime } from './rollups/rollup-reader.ts';
import { RollupStore } from './rollups/rollup-store.ts';
import type { RollupSums } from './rollups/rollup-sums.ts';
import { type HourJudge, RollupWriter } from './rollups/rollup-writer.ts';
import { hourMs, spanStart } from './rollups/spans.ts';
import { decodeSums } from './sums-encoding.ts';
import type { FigureQuery, TelemetryFigures } from './telemetry-figures.ts';
import { TelemetryStore } from './telemetry-store.ts';

export interface TelemetryServiceProps
  extends Omit<IngestProps, 'store' | 'check' | 'evidence' | 'rollups' | 'controls'> {
  readonly database: Database;
  /** For tests that let it fail. */
  readonly store?: TelemetryStore;
  readonly versions: VersionLookup;
  readonly evidence: EvidenceStore;
  /** Which versions devices were offered, and for which rollout. */
  readonly assignments: OfferLookup & AssignmentLookup & ControlLookup;
  readonly judge: HourJudge;
  /** Length of the shortest spans that figures are kept for; divides an hour. */
  readonly bucketMs: number;
}

const TIDY_EVERY_MS = 60_000;
const REST_MS_MAX = 100;

export class TelemetryService {
  readonly #props: TelemetryServiceProps;
  readonly #ingest: TelemetryIngest;
  readonly #evidence: Evidence;
  readonly #hours: DeviceHourStore;
  readonly #activity: ActivityStore;
  readonly #reader: RollupReader;
  readonly #older: OlderBuckets;
  /** Devices that were removed from the hub, and what is left of them. */
  readonly removed: RemovedDevices;
  /** Figures by time, device, group, version or arm. */
  readonly breakdown: FigureBreakdown;

  constructor(props: TelemetryServiceProps) {
    this.#props = props;
    const { database, evidence: evidenceStore, assignments, versions, judge, clock, logger } = props;
    const finestMs = props.bucketMs;
    const store = props.store ?? new TelemetryStore(database);
    const hours = new DeviceHourStore(database);
    const activity = new ActivityStore(database);
    const rollupStore = new RollupStore(database);
    const rollups = new RollupWriter({ hours, rollups: rollupStore, activity, judge, logger, finestMs });
    this.#hours = hours;
    this.#activity = activity;
    this.#reader = new RollupReader({ store: rollupStore, clock, logger, finestMs });
    this.breakdown = new FigureBreakdown({ reader: this.#reader, hours, activity, logger });
    const older = new OlderBuckets({ database, rollups, fleet: props.fleet, logger });
    this.#older = older;
    this.removed = new RemovedDevices({
      store,
      hours,
      rollups,
      activity,
      evidence: evidenceStore,
      older,
      logger,
    });
    this.#evidence = new Evidence({ store: evidenceStore, assignments, logger });
    this.#ingest = new TelemetryIngest({
      ...props,
      store,
      rollups,
      controls: assignments,
      check: new ReportCheck(versions, assignments),
      evidence: this.#evidence,
    });
  }

  /** Resolves when the device need not send the report again; see TelemetryIngest. */
  receive(deviceId: string, payload: Uint8Array): Promise<void> {
    return this.#ingest.receive(deviceId, payload);
  }

  /** Reports merged, duplicate and refused since the start, for metrics. */
  get counts(): Readonly<IngestCounts> {
    return this.#ingest.counts;
  }

  /** Requests, errors, latencies and labels. Whole spans: the time is widened to their borders. */
  async figures({ group, ...time }: FigureQuery): Promise<TelemetryFigures> {
    return (await this.#reader.figures({ ...time, ...filterOf(group) })).figures();
  }

  /** Everything that rollups know, features too, of the whole hours that overlap the time. */
  hours({ group, ...time }: FigureQuery): Promise<RollupSums> {
    return this.#reader.hours({ ...time, ...filterOf(group) });
  }

  /** Features of one device in the hour that starts at `hourAt`; empty when nothing is stored of it any more. */
  async deviceHour(
    version: { readonly model: string; readonly version: string },
    { deviceId, judgedAt }: JudgedDevice,
  ): Promise<readonly FeatureCounts[]> {
    const span = { fromMs: judgedAt, toMs: judgedAt + hourMs };
    const sums = new FigureSums();
    for (const { body } of await this.#hours.ofDevice({ ...version, deviceId, ...span })) {
      sums.add(decodeSums(body));
    }
    return sums.figures().features;
  }

  /** Devices that reported the version in the span, and those of them whose own inputs or outputs drift. */
  countDevices(query: FigureQuery): Promise<{ readonly devices: number; readonly drifted: number }> {
    return this.#activity.count(wholeHours(query));
  }

  /** Those of them that look worst by themselves. */
  worstDevices(query: FigureQuery, max: number): Promise<readonly JudgedDevice[]> {
    return this.#activity.worst(wholeHours(query), max);
  }

  /** What each device contributed for a rollout under way, by id: windows of the version since the rollout offered it. */
  evidence(rolloutId: string): Promise<ReadonlyMap<string, OfferEvidence>> {
    return this.#evidence.ofRollout(rolloutId);
  }

  /** Versions of the model that devices reported in the span, most devices first. */
  versions(
    span: Omit<FigureQuery, 'version'>,
  ): Promise<{ readonly version: string; readonly devices: number }[]> {
    return this.#activity.versions(wholeHours(span));
  }

  /** Versions of the model with figures in the days of the time, at a cost that does not depend on devices. */
  storedVersions(model: string, time: Pick<FigureQuery, 'fromMs' | 'toMs'>): Promise<string[]> {
    return this.#reader.versions(model, time);
  }

  /** Removes what is left of removed devices and moves what older hubs stored, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.tidy().catch((error: unknown) => {
        this.#props.logger.error({ err: error }, 'stored telemetry could not be tidied');
      });
      await wait(TIDY_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async tidy(): Promise<void> {
    await this.removed.clearAll();
    this.#evidence.sweep();
    for (;;) {
      const begun = performance.now();
      if ((await this.#older.pass()) === 0) return;
      // Weeks of a large fleet take long: it rests as long as it works.
      await wait(Math.min(performance.now() - begun, REST_MS_MAX));
    }
  }
}

function filterOf(group: string | undefined): Pick<RollupTime, 'filter'> {
  return group === undefined ? {} : { filter: { group } };
}

/** Activity is known by the hour. */
function wholeHours<Span extends Omit<ActivityQuery, 'version'>>(span: Span): Span {
  return { ...span, fromMs: spanStart(span.fromMs, hourMs) };
}
