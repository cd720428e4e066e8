/**
 * Figures of a model by version, group, arm, hour or minute, page by page. A page costs what is on it, the spans that its time has and the
 * cells of the version, and never the fleet: it reads rollups. Figures by device are in device-figures.ts.
 */
import type { Breakdown, FigureRow } from '../../../shared/api/telemetry-figures.ts';
import type { ActivityStore } from '../device-hours/activity-store.ts';
import type { DeviceHourStore } from '../device-hours/device-hour-store.ts';
import type { CellFilter } from '../rollups/cell.ts';
import type { RollupReader } from '../rollups/rollup-reader.ts';
import { DeviceFigures, type DeviceFiguresProps } from './device-figures.ts';
import { type Place, rowOf } from './figure-row.ts';

export interface BreakdownQuery {
  readonly model: string;
  /** Undefined: every version with reports in the time. */
  readonly version?: string | undefined;
  readonly group?: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  /** Behind the last row of the page before. */
  readonly after?: Place | undefined;
  /** One row more than a page has says that there is another page. */
  readonly rowsMax: number;
}

export interface FigureBreakdownProps extends DeviceFiguresProps {
  readonly reader: Pick<RollupReader, 'figures' | 'each' | 'versions' | 'cells'>;
  readonly hours: DeviceHourStore;
  readonly activity: ActivityStore;
}

type RollupBreakdown = Exclude<Breakdown, 'device'>;

/** What one row adds up. */
interface Part {
  readonly key: string;
  readonly filter: CellFilter;
  readonly names: Pick<FigureRow, 'group' | 'arm' | 'rollout'>;
}

export class FigureBreakdown {
  readonly devices: DeviceFigures;
  readonly #props: FigureBreakdownProps;

  constructor(props: FigureBreakdownProps) {
    this.#props = props;
    this.devices = new DeviceFigures(props);
  }

  /** The version that is asked for, or those with reports in the time, behind `after`. */
  async versions({ model, version, after, ...time }: BreakdownQuery): Promise<readonly string[]> {
    const all = version === undefined ? await this.#props.reader.versions(model, time) : [version];
    return after === undefined ? all : all.filter((one) => one >= after.version);
  }

  /** Rows in the order of versions and, within one, of time or name. */
  async rows(by: RollupBreakdown, query: BreakdownQuery): Promise<FigureRow[]> {
    const rows: FigureRow[] = [];
    for (const version of await this.versions(query)) {
      const key = query.after?.version === version ? query.after.key : undefined;
      const ofVersion = { ...query, version };
      const found =
        by === 'hour' || by === 'minute' ? this.#spans(by, ofVersion, key) : this.#parts(by, ofVersion, key);
      for await (const row of found) {
        rows.push(row);
        if (rows.length === query.rowsMax) return rows;
      }
    }
    return rows;
  }

  /** Hours of one device, in the same order. */
  async hours(query: BreakdownQuery, deviceId: string): Promise<FigureRow[]> {
    const { after, rowsMax } = query;
    const rows: FigureRow[] = [];
    for (const version of await this.versions(query)) {
      for (const row of await this.devices.hours({ ...query, version }, deviceId)) {
        if (after?.version === version && row.fromMs! <= Number(after.key)) continue;
        rows.push(row);
        if (rows.length === rowsMax) return rows;
      }
    }
    return rows;
  }

  async *#spans(
    by: 'hour' | 'minute',
    { group, fromMs, ...query }: BreakdownQuery & { readonly version: string },
    after: string | undefined,
  ): AsyncGenerator<FigureRow> {
    const filter = group === undefined ? {} : { group };
    const from = after === undefined ? fromMs : Math.max(fromMs, Number(after) + 1);
    const time = { ...query, fromMs: from, filter };
    const length = by === 'hour' ? 'hour' : 'shortest';
    for await (const { figures, ...span } of this.#props.reader.each(time, length)) {
      // The span of the place itself begins before it.
      const isBehind = after === undefined || span.fromMs > Number(after);
      if (isBehind && figures.reports > 0) yield rowOf({ version: query.version, ...span }, figures);
    }
  }

  async *#parts(
    by: 'version' | 'group' | 'arm',
    { group, ...query }: BreakdownQuery & { readonly version: string },
    after: string | undefined,
  ): AsyncGenerator<FigureRow> {
    const parts =
      by === 'version' ? [{ key: '', filter: {}, names: {} }] : await this.#partsOf(by, group, query);
    for (const { key, filter, names } of parts) {
      if (after !== undefined && key <= after) continue;
      const time = { ...query, filter: group === undefined ? filter : { ...filter, group } };
      const figures = (await this.#props.reader.figures(time)).figures();
      if (figures.reports > 0) yield rowOf({ version: query.version, ...names }, figures);
    }
  }

  async #partsOf(
    by: 'group' | 'arm',
    group: string | undefined,
    query: Omit<BreakdownQuery, 'group'> & { readonly version: string },
  ): Promise<Part[]> {
    const parts = new Map<string, Part>();
    for (const cell of await this.#props.reader.cells(query)) {
      if (group !== undefined && cell.group !== group) continue;
      const { rolloutId, arm } = cell;
      const part =
        by === 'group'
          ? { key: cell.group, filter: { group: cell.group }, names: { group: cell.group } }
          : {
              key: `${arm} ${rolloutId}`,
              filter: { rolloutId, arm },
              names: { arm, ...(rolloutId === '' ? {} : { rollout: rolloutId }) },
            };
      parts.set(part.key, part);
    }
    return [...parts.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}
