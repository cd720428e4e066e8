/** Lets old update events of devices leave. A device keeps a bounded number of them anyway; these are of devices that say little. */
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { DeviceStore } from './device-store.ts';

export interface EventRetentionProps {
  readonly store: Pick<DeviceStore, 'eventsBefore' | 'removeEventsBefore'>;
  readonly keptMs: number;
}

export class EventRetention implements Expirable {
  readonly kind = 'device-events';
  readonly rule: string;
  readonly #props: EventRetentionProps;

  constructor(props: EventRetentionProps) {
    this.#props = props;
    this.rule = `received more than ${formatDuration(props.keptMs)} ago (--history-kept)`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const { count, ...found } = await this.#props.store.eventsBefore(now - this.#props.keptMs, limit);
    return { ...found, count, isMore: count === limit };
  }

  async removeSome(now: number): Promise<Removed> {
    const max = limits.eventsRemovedPerPassMax;
    const removed = await this.#props.store.removeEventsBefore(now - this.#props.keptMs, max);
    return { ...removed, isMore: removed.count === max };
  }
}
