/**
 * Puts closed windows into the outbox as deflated CBOR reports. Each start of the agent is a stream of its own, with a random id
 * and numbers from 1, so that a report's identity is never used twice: not after a crash, not when the data folder was
 * put back from a backup or copied to another device.
 */

import { deflated } from '../../platform/deflated.ts';
import type { Logger } from '../../platform/logger.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { encodeTelemetryReport, type TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import type { ClosedWindow } from './window.ts';

export interface TelemetryOutbox {
  /** Resolves when the report is on the disk; the outbox then sends it until the hub has acknowledged it. */
  enqueue(leaf: 'telemetry', payload: Uint8Array): Promise<void>;
  /** Messages given up since the start. */
  readonly dropped: { readonly telemetry: number };
}

export interface TelemetryUploaderProps {
  readonly outbox: TelemetryOutbox;
  readonly logger: Logger;
  /** Sixteen lower-case hex digits, new at each start. */
  readonly stream: string;
}

export class TelemetryUploader {
  readonly #props: TelemetryUploaderProps;
  #number = 0;
  /** Windows that did not get into the outbox. */
  #lost = 0;
  /** Of all lost windows, those that a report has told of. */
  #told = 0;

  constructor(props: TelemetryUploaderProps) {
    this.#props = props;
  }

  /** Resolves when the window is in the outbox. Throws what the outbox throws (`disk_full`); the loss is then told by the
   * next report that gets through. */
  async send(window: ClosedWindow): Promise<void> {
    const { outbox, stream } = this.#props;
    this.#number += 1;
    const lost = this.#lost + outbox.dropped.telemetry;
    const dropped = lost - this.#told;
    try {
      await outbox.enqueue(
        'telemetry',
        deflated(this.#encode({ v: 1, stream, number: this.#number, dropped, ...window })),
      );
    } catch (error) {
      this.#lost += 1;
      throw error;
    }
    this.#told = lost;
  }

  /** A profile of many large features can outgrow a message: requests, errors and latency then go alone. */
  #encode(report: TelemetryReport): Uint8Array {
    try {
      return encodeTelemetryReport(report);
    } catch (error) {
      if (!isAppError(error, 'too_large')) throw error;
      this.#props.logger.warn(
        { model: report.model, version: report.version, features: report.features.length },
        'a telemetry window is too large and is sent without its features',
      );
      return encodeTelemetryReport({ ...report, features: [] });
    }
  }
}
