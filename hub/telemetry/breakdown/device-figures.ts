/**
 * Figures by device, and of one device by hour, from the hours that are stored of each. Devices in the order of their ids are read page by
 * page. The ones that fail most are found by an index of failing hours: of each hour the `failingHoursReadMax` worst are added up, and
 * the devices on top are then read whole. So a page costs its devices times the hours of its time, however large the fleet is; a
 * device that is below so many others in every single hour can be missed.
 */
import type { Logger } from '../../../platform/logger.ts';
import type { FigureRow } from '../../../shared/api/telemetry-figures.ts';
import { limits } from '../../../shared/base/limits.ts';
import { SCANNED_ROWS_MAX } from '../../http/sorting.ts';
import type { ActivityStore } from '../device-hours/activity-store.ts';
import type { DeviceHour, DeviceHourStore } from '../device-hours/device-hour-store.ts';
import { severityOf } from '../device-hours/severity.ts';
import { FigureSums } from '../figure-sums.ts';
import { hourMs, spanStart } from '../rollups/spans.ts';
import { decodeSums } from '../sums-encoding.ts';
import { failedOf } from '../telemetry-figures.ts';
import { type Place, rowOf } from './figure-row.ts';

export interface DeviceFiguresProps {
  readonly hours: Pick<DeviceHourStore, 'ofDevice' | 'failing'>;
  readonly activity: Pick<ActivityStore, 'page'>;
  readonly logger: Logger;
}

export interface DeviceFigureQuery {
  readonly model: string;
  readonly group?: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

type OfVersion = DeviceFigureQuery & { readonly version: string };

/** Rows of one page, and where the next one begins when there may be more. */
export interface DevicePage {
  readonly rows: FigureRow[];
  readonly next?: Place;
}

export class DeviceFigures {
  readonly #props: DeviceFiguresProps;

  constructor(props: DeviceFiguresProps) {
    this.#props = props;
  }

  /** Devices with failed requests, most first, at most `rowsMax`. */
  async worst(query: DeviceFigureQuery, versions: readonly string[], rowsMax: number): Promise<FigureRow[]> {
    const failing: { version: string; deviceId: string; failed: number }[] = [];
    for (const version of versions) {
      const sums = await this.#failing({ ...query, version });
      for (const [deviceId, failed] of sums) failing.push({ version, deviceId, failed });
    }
    const rows: FigureRow[] = [];
    for (const { version, deviceId } of failing.sort(byFailed).slice(0, rowsMax)) {
      const row = await this.#row({ ...query, version }, deviceId);
      if (row) rows.push(row);
      await otherWork();
    }
    return rows.sort((a, b) => failedOf(b) - failedOf(a));
  }

  /** Devices in the order of versions and ids. It may end before it is full, at the last device that it has read. */
  async page(
    query: DeviceFigureQuery,
    versions: readonly string[],
    { after, rowsMax }: { readonly after?: Place | undefined; readonly rowsMax: number },
  ): Promise<DevicePage> {
    const rows: FigureRow[] = [];
    let left = SCANNED_ROWS_MAX;
    for (const version of versions) {
      const behind = after?.version === version ? after.key : '';
      const known = await this.#props.activity.page({ ...query, version, after: behind }, left);
      for (const { deviceId, firstAt, lastAt } of known) {
        left -= 1;
        const isInTime = lastAt >= spanStart(query.fromMs, hourMs) && firstAt < query.toMs;
        const row = isInTime ? await this.#row({ ...query, version }, deviceId) : undefined;
        if (row) rows.push(row);
        if (rows.length === rowsMax || left === 0) return { rows, next: { version, key: deviceId } };
        if (isInTime) await otherWork();
      }
    }
    return { rows };
  }

  /** Hours of one device of one version, oldest first. */
  async hours(query: OfVersion, deviceId: string): Promise<FigureRow[]> {
    const byHour = Map.groupBy(await this.#hoursOf(query, deviceId), ({ hourAt }) => hourAt);
    return [...byHour].map(([hourAt, hours]) =>
      rowOf(
        {
          version: query.version,
          device: deviceId,
          fromMs: hourAt,
          toMs: hourAt + hourMs,
          verdict: worstOf(hours),
        },
        this.#sum(hours),
      ),
    );
  }

  async #failing({ group, fromMs, toMs, ...version }: OfVersion): Promise<Map<string, number>> {
    const sums = new Map<string, number>();
    for (let hourAt = spanStart(fromMs, hourMs); hourAt < toMs; hourAt += hourMs) {
      const found = await this.#props.hours.failing({ ...version, hourAt }, limits.failingHoursReadMax);
      for (const one of found) {
        if (group !== undefined && one.group !== group) continue;
        sums.set(one.deviceId, (sums.get(one.deviceId) ?? 0) + one.failed);
      }
      await otherWork();
    }
    return sums;
  }

  async #row(query: OfVersion, deviceId: string): Promise<FigureRow | undefined> {
    const hours = await this.#hoursOf(query, deviceId);
    const newest = hours.at(-1);
    if (newest === undefined) return undefined;
    const failing = hours.find(({ failed }) => failed > 0);
    return rowOf(
      {
        version: query.version,
        device: deviceId,
        group: newest.cell.group,
        verdict: worstOf(hours),
        ...(failing ? { failingSinceMs: failing.hourAt } : {}),
      },
      this.#sum(hours),
    );
  }

  async #hoursOf({ group, fromMs, ...query }: OfVersion, deviceId: string): Promise<DeviceHour[]> {
    const hours = await this.#props.hours.ofDevice({
      ...query,
      deviceId,
      fromMs: spanStart(fromMs, hourMs),
    });
    return group === undefined ? hours : hours.filter(({ cell }) => cell.group === group);
  }

  #sum(hours: readonly DeviceHour[]) {
    const sums = new FigureSums();
    for (const { body, ...hour } of hours) {
      try {
        sums.add({ ...decodeSums(body), features: [] });
      } catch (error) {
        this.#props.logger.error(
          { ...hour, err: error },
          'an hour of a device’s telemetry is unreadable and left out',
        );
      }
    }
    return sums.figures();
  }
}

function byFailed(
  a: { readonly failed: number; readonly deviceId: string },
  b: { readonly failed: number; readonly deviceId: string },
): number {
  return b.failed - a.failed || (a.deviceId < b.deviceId ? -1 : 1);
}

function worstOf(hours: readonly DeviceHour[]) {
  return hours.map(({ verdict }) => verdict).reduce((a, b) => (severityOf(b) > severityOf(a) ? b : a));
}

/** Lets device messages and other requests through between two hours or devices. */
function otherWork(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
