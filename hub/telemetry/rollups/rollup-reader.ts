/** Reads what cells of devices add up to over a time. What it costs depends on the length of the time alone, and hardly on that. */
import type { Logger } from '../../../platform/logger.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import type { TelemetryFigures } from '../telemetry-figures.ts';
import type { Cell, CellFilter } from './cell.ts';
import { DecodedRollups } from './decoded-rollups.ts';
import { type RollupRow, type RollupStore, rollupText, type VersionName } from './rollup-store.ts';
import { RollupSums } from './rollup-sums.ts';
import { coveringRows, hourMs, type RowRange, spanStart } from './spans.ts';

export interface RollupTime extends VersionName {
  readonly fromMs: number;
  readonly toMs: number;
  readonly filter?: CellFilter;
}

/** What a version adds up to in one span of the clock. */
export interface SpanFigures {
  readonly fromMs: number;
  readonly toMs: number;
  readonly figures: TelemetryFigures;
}

export interface RollupReaderProps {
  readonly store: RollupStore;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  readonly finestMs: number;
}

export class RollupReader {
  readonly #props: RollupReaderProps;
  readonly #decoded = new DecodedRollups();

  constructor(props: RollupReaderProps) {
    this.#props = props;
  }

  /** Requests, errors, latencies and labels of the shortest spans that overlap the time; no features. */
  figures(time: RollupTime): Promise<RollupSums> {
    return this.#sum(time, this.#props.finestMs);
  }

  /** Everything, of the whole hours that overlap the time. */
  hours(time: RollupTime): Promise<RollupSums> {
    return this.#sum(time, hourMs);
  }

  /** The shortest spans, or hours, that overlap the time, oldest first; those without a row are left out. */
  async *each(
    { model, version, fromMs, toMs, filter = {} }: RollupTime,
    length: 'shortest' | 'hour',
  ): AsyncGenerator<SpanFigures> {
    const spanMs = length === 'hour' ? hourMs : this.#props.finestMs;
    const ranges = [{ spanMs, fromMs: spanStart(fromMs, spanMs), toMs }];
    let current: { readonly at: number; readonly sums: RollupSums } | undefined;
    for await (const row of this.#props.store.read({ model, version, ranges, filter })) {
      if (current?.at !== row.spanAt) {
        if (current) yield spanFigures(current, spanMs);
        current = { at: row.spanAt, sums: new RollupSums() };
      }
      this.#add(current.sums, row);
    }
    if (current) yield spanFigures(current, spanMs);
  }

  /** Versions of the model that devices reported in the days of the time. */
  versions(model: string, time: Pick<RollupTime, 'fromMs' | 'toMs'>): Promise<string[]> {
    return this.#props.store.versions(model, time);
  }

  /** Cells with reports in the time. */
  cells(time: Omit<RollupTime, 'filter'>): Promise<Cell[]> {
    const { model, version } = time;
    return this.#props.store.cells({ model, version, ranges: this.#ranges(time, this.#props.finestMs) });
  }

  async #sum(time: RollupTime, finestMs: number): Promise<RollupSums> {
    const { model, version, filter = {} } = time;
    const ranges = this.#ranges(time, finestMs);
    const sums = new RollupSums();
    for await (const row of this.#props.store.read({ model, version, ranges, filter })) this.#add(sums, row);
    return sums;
  }

  #ranges({ fromMs, toMs }: Pick<RollupTime, 'fromMs' | 'toMs'>, finestMs: number): readonly RowRange[] {
    return coveringRows({ fromMs, toMs, now: this.#props.clock.now(), finestMs });
  }

  #add(sums: RollupSums, row: RollupRow): void {
    try {
      sums.add(this.#decoded.of(row));
    } catch (error) {
      this.#props.logger.error(
        { rollup: rollupText(row), err: error },
        'a telemetry rollup is unreadable and left out',
      );
    }
  }
}

function spanFigures(
  { at, sums }: { readonly at: number; readonly sums: RollupSums },
  spanMs: number,
): SpanFigures {
  return { fromMs: at, toMs: at + spanMs, figures: sums.figures() };
}
