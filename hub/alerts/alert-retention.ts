/** Removes alerts that were resolved long ago, silences that ended long ago and notifications that were given up long ago. */
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { AlertStore } from './alert-store.ts';
import type { DeliveryStore } from './delivery-store.ts';

export interface AlertRetentionProps {
  readonly alerts: Pick<AlertStore, 'endedBefore' | 'removeEndedBefore'>;
  readonly deliveries: Pick<DeliveryStore, 'deadBefore' | 'removeDeadBefore'>;
  readonly keptMs: number;
}

const ROW_BYTES = 500;

export class AlertRetention implements Expirable {
  readonly kind = 'alerts';
  readonly rule: string;
  readonly #props: AlertRetentionProps;

  constructor(props: AlertRetentionProps) {
    this.#props = props;
    this.rule = `resolved, ended or given up more than ${formatDuration(props.keptMs)} ago (--history-kept)`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const { alerts, deliveries, keptMs } = this.#props;
    const ended = await alerts.endedBefore(now - keptMs, limit);
    const dead = await deliveries.deadBefore(now - keptMs, limit - ended.count);
    const oldest = [ended.oldestAt, dead.oldestAt].filter((at) => at !== undefined);
    const count = ended.count + dead.count;
    return {
      count,
      bytes: count * ROW_BYTES,
      oldestAt: oldest.length > 0 ? Math.min(...oldest) : undefined,
      isMore: count === limit,
    };
  }

  async removeSome(now: number): Promise<Removed> {
    const { alerts, deliveries, keptMs } = this.#props;
    const max = limits.alertRowsRemovedPerPassMax;
    const ended = await alerts.removeEndedBefore(now - keptMs, max);
    const dead = await deliveries.removeDeadBefore(now - keptMs, max);
    return { count: ended + dead, bytes: (ended + dead) * ROW_BYTES, isMore: ended >= max || dead >= max };
  }
}
