/**
 * Telemetry of devices that were removed from the hub: a device that was taken over must not go on deciding with what it reported.
 * Its rows, which may be thousands, leave in passes, each out of the rollups of hours and days as well. A machine that is enrolled
 * under the id waits until they have left, so that it begins with nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import type { Tables } from '../db/tables.ts';
import type { ActivityStore } from './device-hours/activity-store.ts';
import type { DeviceHourStore } from './device-hours/device-hour-store.ts';
import type { EvidenceStore } from './evidence-store.ts';
import type { OlderBuckets } from './older-buckets.ts';
import type { RollupWriter } from './rollups/rollup-writer.ts';
import type { TelemetryStore } from './telemetry-store.ts';

/** Rows of one transaction: few enough that other work does not wait for it. */
const ROWS_PER_PASS = 100;

export interface RemovedDevicesProps {
  readonly store: TelemetryStore;
  readonly hours: Pick<DeviceHourStore, 'take'>;
  readonly rollups: Pick<RollupWriter, 'subtract'>;
  readonly activity: Pick<ActivityStore, 'removeDevice'>;
  readonly evidence: Pick<EvidenceStore, 'removeDevice'>;
  readonly older: Pick<OlderBuckets, 'removeDevice'>;
  readonly logger: Logger;
}

export class RemovedDevices {
  readonly #props: RemovedDevicesProps;

  constructor(props: RemovedDevicesProps) {
    this.#props = props;
  }

  /** From the commit of `tx` on what there is of the device is to leave, and it counts among no version's devices. */
  async remove(deviceId: string, now: number, tx: Transaction<Tables>): Promise<void> {
    const { store, activity } = this.#props;
    await store.markRemoved(deviceId, now, tx);
    await activity.removeDevice(tx, deviceId);
  }

  /** As `clear`; what cannot leave now leaves with `clearAll`. */
  async clearSoon(deviceId: string): Promise<void> {
    await this.clear(deviceId).catch((error: unknown) => {
      this.#props.logger.warn(
        { device: deviceId, err: error },
        'telemetry of a removed device is still there',
      );
    });
  }

  /** Resolves when nothing of the device is left, if it was removed. */
  async clear(deviceId: string): Promise<void> {
    const { store } = this.#props;
    while (await store.transaction((tx) => this.#pass(deviceId, ROWS_PER_PASS, tx))) await nextTurn();
  }

  /** The same at once, for what arrived between `clear` and `tx`. */
  async clearWithin(deviceId: string, tx: Transaction<Tables>): Promise<void> {
    await this.#pass(deviceId, Number.MAX_SAFE_INTEGER, tx);
  }

  /** Clears every removed device, one after the other. */
  async clearAll(): Promise<void> {
    const { store } = this.#props;
    for (let next = await store.firstRemoved(); next !== undefined; next = await store.firstRemoved()) {
      await this.clear(next);
    }
  }

  /** True when there may be more. */
  async #pass(deviceId: string, rowsMax: number, tx: Transaction<Tables>): Promise<boolean> {
    const { store, hours, rollups, activity, evidence, older } = this.#props;
    if (!(await store.isRemoved(deviceId, tx))) return false;
    await store.removeStreams(deviceId, tx);
    await activity.removeDevice(tx, deviceId);
    const gone = await hours.take(tx, deviceId, rowsMax);
    await rollups.subtract(tx, gone);
    let left = rowsMax - gone.length;
    for (const rows of [evidence, older]) {
      if (left > 0) left -= await rows.removeDevice(deviceId, left, tx);
    }
    if (left <= 0) return true;
    await store.unmarkRemoved(deviceId, tx);
    return false;
  }
}
