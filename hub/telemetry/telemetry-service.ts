/** Telemetry of the fleet: takes reports of devices, answers what they add up to. */

import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ReportCheck, type VersionLookup } from './checked-report.ts';
import { decodeSums, FigureSums } from './figure-sums.ts';
import { type IngestCounts, type IngestProps, TelemetryIngest } from './ingest.ts';
import type { FigureQuery, TelemetryFigures } from './telemetry-figures.ts';
import type { TelemetryStore } from './telemetry-store.ts';

export interface TelemetryServiceProps extends Omit<IngestProps, 'check'> {
  readonly versions: VersionLookup;
  /** How long buckets are kept. */
  readonly keptMs?: number;
}

const REMOVE_EVERY_MS = 60_000;

export class TelemetryService {
  readonly #store: TelemetryStore;
  readonly #props: TelemetryServiceProps;
  readonly #ingest: TelemetryIngest;

  constructor(props: TelemetryServiceProps) {
    this.#store = props.store;
    this.#props = props;
    this.#ingest = new TelemetryIngest({ ...props, check: new ReportCheck(props.versions) });
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
    await this.#each(query, (deviceId, body) => {
      devices.add(deviceId);
      sums.add(decodeSums(body));
    });
    return sums.figures([...devices].sort());
  }

  /** The sum of each device that reported, by id. */
  async figuresByDevice(query: FigureQuery): Promise<ReadonlyMap<string, TelemetryFigures>> {
    const sums = new Map<string, FigureSums>();
    await this.#each(query, (deviceId, body) => {
      let sum = sums.get(deviceId);
      if (sum === undefined) {
        sum = new FigureSums();
        sums.set(deviceId, sum);
      }
      sum.add(decodeSums(body));
    });
    return new Map([...sums].map(([deviceId, sum]) => [deviceId, sum.figures([deviceId])]));
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
      `Cannot say anything of "${span.model}": no device reported a window of it in the time span.`,
    );
  }

  /** Removes old buckets, a bounded number at a time, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.removeOld();
      } catch (error) {
        this.#props.logger.error({ err: error }, 'old telemetry could not be removed');
      }
      await wait(REMOVE_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async removeOld(): Promise<number> {
    const { clock, keptMs = limits.telemetryKeptMs } = this.#props;
    return await this.#store.removeBefore(clock.now() - keptMs, limits.telemetryRowsRemovedPerPassMax);
  }

  /** Stores what was received; resolves when that is done. */
  close(): Promise<void> {
    return this.#ingest.close();
  }

  async #each(query: FigureQuery, use: (deviceId: string, body: Uint8Array) => void): Promise<void> {
    for await (const bucket of this.#store.read({ ...query, fromMs: this.#bucketOf(query.fromMs) })) {
      if (query.devices === undefined || query.devices.has(bucket.deviceId))
        use(bucket.deviceId, bucket.body);
    }
  }

  /** Start of the bucket that holds a time. */
  #bucketOf(ms: number): number {
    return Math.floor(ms / this.#props.bucketMs) * this.#props.bucketMs;
  }
}
