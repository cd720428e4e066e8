/** Reads what cells of devices add up to over a time. What it costs depends on the length of the time alone, and hardly on that. */
import type { Logger } from '../../../platform/logger.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import type { CellFilter } from './cell.ts';
import { DecodedRollups } from './decoded-rollups.ts';
import { type RollupStore, rollupText, type VersionName } from './rollup-store.ts';
import { RollupSums } from './rollup-sums.ts';
import { coveringRows, hourMs } from './spans.ts';

export interface RollupTime extends VersionName {
  readonly fromMs: number;
  readonly toMs: number;
  readonly filter?: CellFilter;
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

  async #sum(
    { model, version, fromMs, toMs, filter = {} }: RollupTime,
    finestMs: number,
  ): Promise<RollupSums> {
    const { store, clock, logger } = this.#props;
    const ranges = coveringRows({ fromMs, toMs, now: clock.now(), finestMs });
    const sums = new RollupSums();
    for await (const row of store.read({ model, version, ranges, filter })) {
      try {
        sums.add(this.#decoded.of(row));
      } catch (error) {
        logger.error(
          { rollup: rollupText(row), err: error },
          'a telemetry rollup is unreadable and left out',
        );
      }
    }
    return sums;
  }
}
