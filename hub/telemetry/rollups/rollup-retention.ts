/** Removes old rollups: the shortest spans after a day, hours, days and the activity of devices with telemetry. */
import { formatDuration } from '../../../shared/base/duration.ts';
import { limits } from '../../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../../retention/expirable.ts';
import type { ActivityStore } from '../device-hours/activity-store.ts';
import type { RollupStore } from './rollup-store.ts';
import { dayMs, detailFromMs, hourMs } from './spans.ts';

export interface RollupRetentionProps {
  readonly store: RollupStore;
  readonly activity: ActivityStore;
  readonly keptMs: number;
  /** Length of the shortest spans. */
  readonly finestMs: number;
}

export class RollupRetention implements Expirable {
  readonly kind = 'telemetry-rollups';
  readonly rule: string;
  readonly #props: RollupRetentionProps;

  constructor(props: RollupRetentionProps) {
    this.#props = props;
    const detail = formatDuration(limits.telemetryDetailKeptMs);
    this.rule = `older than ${formatDuration(props.keptMs)} (--telemetry-kept); those of less than an hour, older than ${detail}`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const found = await Promise.all(
      this.#spans(now).map((span) => this.#props.store.findBefore(span, limit)),
    );
    const oldest = found.flatMap(({ oldestAt }) => oldestAt ?? []);
    return {
      count: found.reduce((sum, { count }) => sum + count, 0),
      bytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
      oldestAt: oldest.length > 0 ? Math.min(...oldest) : undefined,
      isMore: found.some(({ count }) => count === limit),
    };
  }

  async removeSome(now: number): Promise<Removed> {
    const { store, activity, keptMs } = this.#props;
    const max = limits.telemetryRowsRemovedPerPassMax;
    for (const span of this.#spans(now)) {
      const removed = await store.removeBefore(span, max);
      if (removed.count > 0) return { ...removed, isMore: true };
    }
    const count = await activity.removeBefore(now - keptMs, max);
    return { count, bytes: 0, isMore: count === max };
  }

  /** A span leaves when all of it is too old. */
  #spans(now: number): readonly { readonly spanMs: number; readonly beforeMs: number }[] {
    const { keptMs, finestMs } = this.#props;
    const whole = [hourMs, dayMs].map((spanMs) => ({ spanMs, beforeMs: now - keptMs - spanMs }));
    return finestMs < hourMs ? [{ spanMs: finestMs, beforeMs: detailFromMs(now) }, ...whole] : whole;
  }
}
