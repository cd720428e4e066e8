/**
 * What becomes of times when the hub's clock was ahead and was set back. The hub stored times that have not come yet: left
 * alone, every wait counted from them would last until they have come. When the clock is set back, and at each start, such times become
 * now. (What was signed with them is signed again by whoever keeps it from expiring.)
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sleepUnlessSet } from '../../shared/base/clock-sleep.ts';
import type { AuditLog } from '../audit/audit-log.ts';

const CHECK_MS = 60_000;
/** Less than this a clock may be moved by its own correction. */
const SET_MS = 60_000;

export interface ClockGuardProps {
  readonly clock: Clock;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly logger: Logger;
  readonly stores: readonly {
    /** Times after `now` become `now`. Returns how many there were. */
    clampFutureTimes(now: number): Promise<number>;
  }[];
}

export class ClockGuard {
  readonly #props: ClockGuardProps;
  /** Wall clock minus monotonic clock; it moves when the wall clock is set. */
  #offset: number;

  constructor(props: ClockGuardProps) {
    this.#props = props;
    this.#offset = offsetOf(props.clock);
  }

  /** The clock may have been set while no hub ran. */
  async start(): Promise<void> {
    const timesClamped = await this.#clampFutureTimes();
    if (timesClamped > 0) await this.#report({ timesClamped });
  }

  /** Runs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#props;
    while (!signal.aborted) {
      try {
        await sleepUnlessSet(clock, CHECK_MS, signal);
        await this.look();
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ reason: errorText(error) }, 'times of a clock that was set are not corrected');
      }
    }
  }

  async look(): Promise<void> {
    const movedMs = Math.round(offsetOf(this.#props.clock) - this.#offset);
    if (Math.abs(movedMs) < SET_MS) return;
    const timesClamped = movedMs < 0 ? await this.#clampFutureTimes() : 0;
    this.#offset += movedMs;
    await this.#report({ movedMs, timesClamped });
  }

  async #clampFutureTimes(): Promise<number> {
    const { clock, stores } = this.#props;
    // One instant for all of them: evidence is known to belong to an offer by having the same time.
    const now = clock.now();
    let taken = 0;
    for (const store of stores) taken += await store.clampFutureTimes(now);
    return taken;
  }

  async #report(details: Readonly<Record<string, number>>): Promise<void> {
    const { audit, logger } = this.#props;
    logger.warn(details, 'the clock of this machine was set');
    await audit.append({ actor: 'hub', action: 'hub.clock_set', target: 'hub', details });
  }
}

function offsetOf(clock: Clock): number {
  return clock.now() - clock.monotonic();
}
