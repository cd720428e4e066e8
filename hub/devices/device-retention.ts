/**
 * Lets what is left of removed devices leave: their rows, and what other parts keep so that a machine that is enrolled under the same
 * id goes on above what one before it has seen.
 */
import type { Transaction } from 'kysely';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tables } from '../db/tables.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { DeviceStore } from './device-store.ts';

/** Gives up what a part still knows of devices that were removed long ago, inside the transaction that removes their rows. */
export type ForgetRemoved = (deviceIds: readonly string[], tx: Transaction<Tables>) => Promise<void>;

export interface DeviceRetentionProps {
  readonly store: DeviceStore;
  readonly parts: readonly ForgetRemoved[];
  /** How long a device is remembered after it was removed. */
  readonly keptMs: number;
}

/** What a device takes, certificate and statement included. */
const DEVICE_BYTES = 4_000;

export class DeviceRetention implements Expirable {
  readonly kind = 'removed-devices';
  readonly rule: string;
  readonly #props: DeviceRetentionProps;

  constructor(props: DeviceRetentionProps) {
    this.#props = props;
    this.rule = `removed more than ${formatDuration(props.keptMs)} ago (--history-kept)`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const due = await this.#props.store.removedBefore(now - this.#props.keptMs, limit + 1);
    const count = Math.min(due.length, limit);
    const oldestAt = due[0]?.removedAt;
    return { count, bytes: count * DEVICE_BYTES, oldestAt, isMore: due.length > limit };
  }

  removeSome(now: number): Promise<Removed> {
    const { store, parts, keptMs } = this.#props;
    const max = limits.removedDevicesPerPassMax;
    return store.transaction(async (tx) => {
      const due = await store.removedBefore(now - keptMs, max, tx);
      const ids = due.map(({ id }) => id);
      if (ids.length > 0) {
        for (const forget of parts) await forget(ids, tx);
        await store.forgetRemoved(ids, tx);
      }
      return { count: ids.length, bytes: ids.length * DEVICE_BYTES, isMore: ids.length === max };
    });
  }
}
