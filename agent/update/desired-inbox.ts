/**
 * Takes desired states from the hub. What comes is hostile until its signature is that of a director key which TUF
 * vouches for, it is for this device, not expired, and newer than all accepted before. Accepted is what is stored, with its
 * signature: after a restart the device checks it again and goes on with it, offline too, and an old one stays refused.
 */

import { rename } from 'node:fs/promises';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { type WithFreeSpace, withoutReserve } from '../../platform/disk-reserve.ts';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { clockWatch, RetryBackoff } from '../../shared/base/retry-backoff.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import {
  type DesiredState,
  desiredStateType,
  parseDesiredState,
} from '../../shared/protocol/desired-state.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import { verifyDsse } from '../../shared/tuf/dsse.ts';
import type { ClockFloor } from '../trust/clock-floor.ts';
import type { TrustedVersions } from '../trust/trusted-version.ts';
import { toFault } from './failure-policy.ts';

export interface DesiredInboxProps {
  readonly file: string;
  readonly deviceId: string;
  readonly trust: Pick<TrustedVersions, 'directorKeys' | 'storedDirectorKeys'>;
  readonly onAccepted: (state: DesiredState) => void;
  /** A desired state was refused, or `undefined`: one was accepted since. */
  readonly onRefused: (fault: UpdateFault | undefined) => void;
  readonly clock: Clock;
  /** Time that does not go back behind what signed statements have shown. */
  readonly floor: Pick<ClockFloor, 'now'>;
  /** Frees space for what must be written on a full disk. */
  readonly withFreeSpace?: WithFreeSpace | undefined;
  readonly logger: Logger;
}

/** Between two attempts with one message: first, and at most. */
const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 900_000;
/** The clock is looked at this often meanwhile. */
const RETRY_STEP_MS = 30_000;
/** A signature under a key not known yet: the metadata that names the key may still be on its way. */
const SIGNATURE_TRIES = 3;

export class DesiredInbox {
  readonly #props: DesiredInboxProps;
  readonly #log: LimitedLog;
  #accepted: { readonly digest: string; readonly state: DesiredState } | undefined;
  #sequence = 0;
  /** Newest message not looked at yet; older ones are void, since a desired state is whole. */
  #waiting: Uint8Array | undefined;
  #isWorking = false;
  /** Refused, but it may pass when there is news. */
  #refused: Uint8Array | undefined;
  /** What was told of the message, so that it is told once. */
  #reported: string | undefined;
  readonly #backoff: RetryBackoff;
  /** Grows with each news. */
  #revision = 0;
  readonly #sleep: WakeableSleep;

  constructor(props: DesiredInboxProps) {
    this.#props = props;
    this.#sleep = new WakeableSleep(props.clock);
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
    this.#backoff = new RetryBackoff({ clock: props.clock, firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS });
  }

  /** The highest sequence accepted. */
  get sequence(): number {
    return this.#sequence;
  }

  get accepted(): DesiredState | undefined {
    return this.#accepted?.state;
  }

  /**
   * Reads what was accepted before. It is believed for its signature, not for where it lies; that it has expired since changes
   * nothing for what runs (promise P2). What does not pass is put aside and told; the hub's retained message comes with the
   * next connection. `sequenceFloor` is what the journals know.
   */
  async load(sequenceFloor: number): Promise<void> {
    this.#sequence = sequenceFloor;
    const { file, trust, logger, onRefused } = this.#props;
    try {
      const payload = await readRegularFile(file, limits.controlMessageBytesMax);
      const state = parseDesiredState(
        verifyDsse(payload, desiredStateType, await trust.storedDirectorKeys()),
      );
      this.#checkDevice(state);
      if (state.sequence < sequenceFloor) throw replayed(state, sequenceFloor);
      this.#accepted = { digest: sha256(payload), state };
      this.#sequence = state.sequence;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      const fault = toFault(error);
      logger.error(
        { code: fault.code, reason: fault.message },
        'the stored desired state was unreadable and was moved aside',
      );
      onRefused({ ...fault, message: shorten(`What is stored was put aside: ${fault.message}`, 2_000) });
      await rename(file, `${file}.unreadable`).catch(() => undefined);
    }
  }

  /** Looks at a message in its own time; a newer one replaces it until then. */
  receive(payload: Uint8Array, signal: AbortSignal): void {
    this.#waiting = payload;
    this.#sleep.wake();
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work(signal)
      .catch((error) =>
        this.#props.logger.error({ reason: errorText(error) }, 'desired state could not be handled'),
      )
      .finally(() => {
        this.#isWorking = false;
      });
  }

  /** New trust metadata has arrived: what was refused before may be accepted now. */
  retryNow(signal: AbortSignal): void {
    this.#revision += 1;
    this.#sleep.wake();
    if (this.#refused !== undefined && !this.#isWorking) this.receive(this.#refused, signal);
  }

  async #work(signal: AbortSignal): Promise<void> {
    let tries = 0;
    let last: Uint8Array | undefined;
    while (this.#waiting !== undefined && !signal.aborted) {
      const payload = this.#waiting;
      const revision = this.#revision;
      if (payload !== last) this.#backoff.clear();
      tries = payload === last ? tries + 1 : 1;
      last = payload;
      this.#waiting = undefined;
      this.#refused = undefined;
      try {
        await this.accept(payload);
        this.#reported = undefined;
      } catch (error) {
        const fault = toFault(error);
        this.#report(payload, fault);
        const isUnsigned = isAppError(error, 'signature_invalid');
        if (fault.retry !== 'later' && !isUnsigned) continue;
        // What may pass by itself is tried again: the message is the current one until another comes.
        this.#refused = payload;
        if (isUnsigned && tries >= SIGNATURE_TRIES) continue;
        await this.#untilRetry(this.#backoff.failed(revision), revision, signal);
        this.#waiting ??= payload;
      }
    }
  }

  /** Once for a message and a reason: repetitions are not reported. */
  #report(payload: Uint8Array, fault: UpdateFault): void {
    const told = `${fault.code} ${sha256(payload)}`;
    if (told === this.#reported) return;
    this.#reported = told;
    this.#log.warn(fault.code, { code: fault.code, reason: fault.message }, 'desired state was refused');
    this.#props.onRefused(fault);
  }

  /** Until the wait is over, another message or trust metadata came, or the clock was set. */
  async #untilRetry(waitMs: number, news: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#props;
    const isQuiet = () => this.#waiting === undefined && this.#revision === news && !signal.aborted;
    const wasClockSet = clockWatch(clock);
    for (let left = waitMs; left > 0 && isQuiet(); left -= RETRY_STEP_MS) {
      await this.#sleep.sleep(Math.min(left, RETRY_STEP_MS), signal);
      if (wasClockSet()) return;
    }
  }

  /**
   * Throws `signature_invalid`, `desired_state_wrong_device`, `desired_state_expired`, `desired_state_replayed`,
   * `desired_state_leaps`, what
   * trust says when it has no keys, and `disk_full`: what cannot be stored is not accepted.
   */
  async accept(payload: Uint8Array): Promise<void> {
    const digest = sha256(payload);
    // The hub's retained message comes again after each reconnect.
    if (digest === this.#accepted?.digest) return this.#props.onRefused(undefined);
    const keys = await this.#props.trust.directorKeys();
    const state = parseDesiredState(verifyDsse(payload, desiredStateType, keys));
    this.#check(state);
    const { file, withFreeSpace = withoutReserve } = this.#props;
    await withFreeSpace(() => writeFileAtomic(file, payload));
    this.#accepted = { digest, state };
    this.#sequence = state.sequence;
    this.#props.logger.info(
      { sequence: state.sequence, models: state.models.length },
      'desired state accepted',
    );
    this.#props.onRefused(undefined);
    this.#props.onAccepted(state);
  }

  #checkDevice(state: DesiredState): void {
    const { deviceId } = this.#props;
    if (state.device === deviceId) return;
    throw new AppError(
      'desired_state_wrong_device',
      `Cannot accept desired state ${state.sequence}: it was signed for device "${state.device}", and this device is "${deviceId}".`,
    );
  }

  #check(state: DesiredState): void {
    const { floor } = this.#props;
    this.#checkDevice(state);
    // The journals know its sequence, but the statement itself was lost: the hub signs one alone of each sequence.
    const isLost = state.sequence === this.#sequence && this.#accepted === undefined;
    if (state.sequence <= this.#sequence && !isLost) throw replayed(state, this.#sequence);
    if (state.sequence > this.#sequence + limits.sequenceStepMax) {
      throw new AppError(
        'desired_state_leaps',
        `Cannot accept desired state ${state.sequence}: this device has accepted ${this.#sequence}, and the sequence may rise by at most ${limits.sequenceStepMax} at once.`,
      );
    }
    if (Date.parse(state.expires) <= floor.now()) {
      throw new AppError(
        'desired_state_expired',
        `Cannot accept desired state ${state.sequence}: it expired at ${state.expires}, and the clock of this device shows ${new Date(floor.now()).toISOString()}.`,
      );
    }
  }
}

function replayed(state: DesiredState, accepted: number): AppError {
  return new AppError(
    'desired_state_replayed',
    `Cannot accept desired state ${state.sequence}: this device has already accepted ${accepted}.`,
  );
}
