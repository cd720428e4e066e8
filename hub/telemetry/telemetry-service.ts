/** Telemetry of the fleet: ingests reports of devices, answers with their sums. */

import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../../shared/base/app-error.ts';
import { clockWatch } from '../../shared/base/retry-backoff.ts';
import { BucketCompaction, coarseMs } from './bucket-compaction.ts';
import { type OfferLookup, ReportCheck, type VersionLookup } from './checked-report.ts';
import { type AssignmentLookup, Evidence } from './evidence.ts';
import type { OfferEvidence } from './evidence-cache.ts';
import type { EvidenceStore } from './evidence-store.ts';
import { FigureSums } from './figure-sums.ts';
import { type IngestCounts, type IngestProps, TelemetryIngest } from './ingest.ts';
import { RemovedDevices } from './removed-devices.ts';
import { addStored } from './stored-sums.ts';
import type { FigureQuery, TelemetryFigures } from './telemetry-figures.ts';
import type { Bucket, TelemetryStore } from './telemetry-store.ts';

export interface TelemetryServiceProps extends Omit<IngestProps, 'check' | 'evidence'> {
  readonly versions: VersionLookup;
  readonly evidence: EvidenceStore;
  /** Which versions devices were offered, and for which rollout. */
  readonly assignments: OfferLookup & AssignmentLookup;
}

const CLOCK_SETTLED_MS = 3_600_000;
const TIDY_EVERY_MS = 60_000;
const REST_MS_MAX = 100;

export class TelemetryService {
  readonly #store: TelemetryStore;
  readonly #props: TelemetryServiceProps;
  readonly #ingest: TelemetryIngest;
  readonly #evidence: Evidence;
  readonly #compaction: BucketCompaction;
  /** Devices that were removed from the hub, and what is left of them. */
  readonly removed: RemovedDevices;

  constructor(props: TelemetryServiceProps) {
    this.#store = props.store;
    this.#props = props;
    this.#compaction = new BucketCompaction(props);
    this.removed = new RemovedDevices(props);
    const { evidence: store, assignments, versions, logger } = props;
    this.#evidence = new Evidence({ store, assignments, logger });
    this.#ingest = new TelemetryIngest({
      ...props,
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

  /** The sum over all devices of the query. Whole buckets: the span is widened to their borders. */
  async figures(query: FigureQuery): Promise<TelemetryFigures> {
    const sums = new FigureSums();
    const devices = new Set<string>();
    await this.#each(query, (bucket) => {
      devices.add(bucket.deviceId);
      addStored(sums, bucket, this.#props.logger);
    });
    return sums.figures([...devices].sort());
  }

  /** The sum of each device that reported, by id. */
  async figuresByDevice(query: FigureQuery): Promise<ReadonlyMap<string, TelemetryFigures>> {
    const sums = new Map<string, FigureSums>();
    await this.#each(query, (bucket) => {
      const sum = sums.get(bucket.deviceId) ?? new FigureSums();
      sums.set(bucket.deviceId, sum);
      addStored(sum, bucket, this.#props.logger);
    });
    return new Map([...sums].map(([deviceId, sum]) => [deviceId, sum.figures([deviceId])]));
  }

  /** What each device contributed for a rollout under way, by id: windows of the version since the rollout offered it. */
  evidence(rolloutId: string): Promise<ReadonlyMap<string, OfferEvidence>> {
    return this.#evidence.ofRollout(rolloutId);
  }

  /** Versions of the model that devices reported in the span, most devices first. */
  versions(span: {
    readonly model: string;
    readonly fromMs: number;
    readonly toMs: number;
  }): Promise<{ readonly version: string; readonly devices: number }[]> {
    return this.#store.versions({ ...span, fromMs: this.#bucketOf(span.fromMs) });
  }

  /** The version most devices reported in the span. Throws `no_telemetry`. */
  async mainVersion(span: {
    readonly model: string;
    readonly fromMs: number;
    readonly toMs: number;
  }): Promise<string> {
    const [main] = await this.versions(span);
    if (main) return main.version;
    throw new AppError(
      'no_telemetry',
      `Cannot show telemetry of "${span.model}": no device reported telemetry of it in this time span.`,
    );
  }

  /**
   * Compacts old buckets, a bounded number at a time, until `signal` is aborted. A clock that was just set may be wrong, and
   * compaction cannot be undone: it is suspended for an hour then.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#props;
    let wasClockSet = clockWatch(clock);
    let heldUntil = clock.monotonic();
    while (!signal.aborted) {
      if (wasClockSet()) {
        wasClockSet = clockWatch(clock);
        heldUntil = clock.monotonic() + CLOCK_SETTLED_MS;
      }
      try {
        if (clock.monotonic() >= heldUntil) await this.tidy();
      } catch (error) {
        this.#props.logger.error({ err: error }, 'old telemetry could not be merged into larger buckets');
      }
      await wait(TIDY_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Compacts buckets older than a day, until there is nothing left to do. */
  async tidy(): Promise<void> {
    await this.removed.clearAll();
    this.#evidence.sweep();
    if (this.#props.bucketMs >= coarseMs) return;
    for (;;) {
      const begun = performance.now();
      if ((await this.#compaction.pass()) === 0) return;
      // A day of a large fleet takes long: it pauses for as long as it worked.
      await wait(Math.min(performance.now() - begun, REST_MS_MAX));
    }
  }

  async #each(query: FigureQuery, use: (bucket: Bucket) => void): Promise<void> {
    for await (const bucket of this.#store.read({ ...query, fromMs: this.#bucketOf(query.fromMs) })) {
      if (query.devices === undefined || query.devices.has(bucket.deviceId)) use(bucket);
    }
  }

  /** Start of the bucket that holds a time. */
  #bucketOf(ms: number): number {
    const { bucketMs } = this.#props;
    const span = ms < this.#compaction.detailFromMs() ? Math.max(bucketMs, coarseMs) : bucketMs;
    return Math.floor(ms / span) * span;
  }
}
