/**
 * Telemetry of devices that were removed from the hub. No figure contains it from the removal on; its rows, which may be thousands,
 * are deleted in passes. A machine that is enrolled under the id waits until they are, so that it starts without telemetry.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import type { Tables } from '../db/tables.ts';
import type { EvidenceStore } from './evidence-store.ts';
import type { TelemetryStore } from './telemetry-store.ts';

/** Rows of one transaction: few enough not to delay others. */
const ROWS_PER_PASS = 500;

export interface RemovedDevicesProps {
  readonly store: TelemetryStore;
  readonly evidence: Pick<EvidenceStore, 'removeDevice'>;
  readonly logger: Logger;
}

export class RemovedDevices {
  readonly #props: RemovedDevicesProps;

  constructor(props: RemovedDevicesProps) {
    this.#props = props;
  }

  /** From the commit of `tx` on no telemetry of the device counts. */
  async remove(deviceId: string, now: number, tx: Transaction<Tables>): Promise<void> {
    await this.#props.store.markRemoved(deviceId, now, tx);
  }

  /** As `clear`; what cannot be deleted now is deleted by `clearAll`. */
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
    const { store, evidence } = this.#props;
    if (!(await store.isRemoved(deviceId, tx))) return false;
    let left = rowsMax - (await store.removeDevice(deviceId, rowsMax, tx));
    if (left > 0) left -= await evidence.removeDevice(deviceId, left, tx);
    if (left <= 0) return true;
    await store.unmarkRemoved(deviceId, tx);
    return false;
  }
}
