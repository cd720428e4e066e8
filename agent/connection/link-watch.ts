/**
 * What there is to say of the connection to the hub: why there is none, and whether another agent uses this device's
 * identity. The hub tells the latter of a copied data folder; each copy takes the connection of the other, so both come back
 * later and later, and both say so until it has not been seen for a while.
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { parseHubCommand, type SharedIdentityCommand } from '../../shared/protocol/hub-command.ts';
import { linkFailureText } from './link-failure.ts';

/** A hub that says nothing for so long is not busy any more. */
const BUSY_QUIET_MS = 60_000;
/** It says so every five seconds. */
const BUSY_TOLD_MS = 15_000;
/** The same for what is not understood. */
const NOISE_QUIET_MS = 60_000;

export interface LinkWatchProps {
  readonly tell: (code: 'not_connected' | 'identity_shared', text: string | undefined) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LinkWatch {
  readonly #props: LinkWatchProps;
  #downSinceMs: number;
  #wasConnected = false;
  #busy: { readonly sinceMs: number; readonly at: number } | undefined;
  #busyLoggedAt = Number.NEGATIVE_INFINITY;
  #notUnderstoodAt = Number.NEGATIVE_INFINITY;
  #failure: { readonly error: unknown } | undefined;
  #notice: { readonly command: SharedIdentityCommand; readonly at: number } | undefined;

  constructor(props: LinkWatchProps) {
    this.#props = props;
    this.#downSinceMs = props.clock.now();
  }

  /** Another agent was seen with this identity in the last `limits.identitySharedMs`. */
  get isShared(): boolean {
    const notice = this.#notice;
    return notice !== undefined && this.#props.clock.monotonic() - notice.at < limits.identitySharedMs;
  }

  /** Since when the hub holds what this device sent, milliseconds since the epoch; undefined when it does not. */
  get busySince(): number | undefined {
    const busy = this.#busy;
    return busy && this.#props.clock.monotonic() - busy.at < BUSY_TOLD_MS ? busy.sinceMs : undefined;
  }

  connected(): void {
    this.#busy = undefined;
    this.#wasConnected = true;
    this.#failure = undefined;
    this.note();
  }

  /** A connection ended, or a try to make one did. */
  failed(error: unknown): void {
    if (!this.#failure && this.#wasConnected) this.#downSinceMs = this.#props.clock.now();
    this.#failure = { error };
    this.#busy = undefined;
    this.note();
  }

  /** A message on `command`. Unsigned, so it changes nothing but how soon the agent connects again. */
  receive(payload: Uint8Array): void {
    const { clock, logger } = this.#props;
    try {
      const command = parseHubCommand(payload);
      if (command.command === 'busy') {
        this.#handleBusy();
        return;
      }
      this.#notice = { command, at: clock.monotonic() };
      logger.error(
        { addresses: command.addresses },
        'another agent connects with the identity of this device',
      );
    } catch (error) {
      this.#noteNotUnderstood(error);
    }
    this.note();
  }

  /** A newer hub may say something again and again that this agent does not know: said once for as long as it goes on. */
  #noteNotUnderstood(error: unknown): void {
    const now = this.#props.clock.monotonic();
    if (now - this.#notUnderstoodAt >= NOISE_QUIET_MS) {
      this.#props.logger.warn({ reason: errorText(error) }, 'a command of the hub could not be read');
    }
    this.#notUnderstoodAt = now;
  }

  /** What was sent is not lost: the link stays, and the answers come over it. Said once for as long as it goes on. */
  #handleBusy(): void {
    const { clock } = this.#props;
    const now = clock.monotonic();
    this.#busy = { sinceMs: this.busySince ?? clock.now(), at: now };
    if (now - this.#busyLoggedAt >= BUSY_QUIET_MS) {
      this.#props.logger.warn({}, 'the hub cannot store messages at present; this device keeps what it sent');
    }
    this.#busyLoggedAt = now;
  }

  /** Says again what holds now: a shared identity is forgotten with time. */
  note(): void {
    const { tell } = this.#props;
    tell('not_connected', this.#failureText());
    tell('identity_shared', this.isShared ? sharedText(this.#notice!.command) : undefined);
  }

  #failureText(): string | undefined {
    if (!this.#failure) return undefined;
    const since = new Date(this.#downSinceMs).toISOString();
    const when = this.#wasConnected ? `since ${since}` : `since the start at ${since}, not once`;
    return `No connection to the hub ${when}: ${linkFailureText(this.#failure.error)}`;
  }
}

function sharedText({ at, addresses }: SharedIdentityCommand): string {
  return `Another agent connects with the identity of this device, last seen at ${at}; connections came from ${addresses.join(', ')}. The data folder was copied: each takes the connection of the other.`;
}
