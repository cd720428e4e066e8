/**
 * Sends the reported state: when the link comes up, soon after a change (changes close together go in one report), and as a heartbeat.
 * A report that is lost is not sent again: the next one says everything.
 */

import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import { hideFolders } from '../../shared/base/without-folders.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { HubLink } from '../connection/hub-link.ts';
import { fittedReport } from './fitted-report.ts';

export interface StateReporterProps {
  readonly link: () => Pick<HubLink, 'isConnected' | 'publish'>;
  readonly compose: () => Promise<ReportedState>;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const TOGETHER_MS = 100;

export class StateReporter {
  readonly #props: StateReporterProps;
  #hasNews = false;
  readonly #sleep: WakeableSleep;

  constructor(props: StateReporterProps) {
    this.#props = props;
    this.#sleep = new WakeableSleep(props.clock);
  }

  /** Something in the report has changed, or the hub has not received it yet. */
  changed(): void {
    this.#hasNews = true;
    this.#sleep.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, heartbeatMs } = this.#props;
    while (!signal.aborted) {
      if (!this.#hasNews) {
        // A little earlier or later each time: a fleet that started together shall not report together.
        const waitMs = heartbeatMs * (0.9 + 0.2 * random());
        await this.#sleep.sleep(waitMs, signal);
      }
      if (this.#hasNews) await clock.sleep(TOGETHER_MS, signal).catch(() => undefined);
      this.#hasNews = false;
      if (!signal.aborted) await this.send();
    }
  }

  async send(): Promise<void> {
    const link = this.#props.link();
    if (!link.isConnected) return;
    try {
      // Folders go first: a path that was cut short does not look like one any more.
      const told = JSON.parse(JSON.stringify(await this.#props.compose(), hideFolders)) as ReportedState;
      await link.publish('reported', Buffer.from(JSON.stringify(fittedReport(told))));
    } catch (error) {
      this.#props.logger.debug({ reason: errorText(error) }, 'reported state was not sent');
    }
  }
}
