/**
 * Security events: what was refused becomes a figure for `/metrics` at once, a line of the log (platform/limited-log.ts), and a row of
 * the audit log for all that belongs together. No refusal costs a write: rows of a second are one transaction, and their
 * number is bounded (refusal-groups.ts). Who proved an identity and who did not have bounds apart: strangers, however
 * many, push no device out of view. While the database takes nothing, counting goes on and writing is tried again.
 */

import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { sourceOf } from '../../shared/base/remote-source.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import {
  type Refusal,
  type RefusalKind,
  type RefusalListener,
  refusalKinds,
  refusalTexts,
} from './refusal.ts';
import { RefusalGroups, type RefusalSum } from './refusal-groups.ts';

export interface SecurityEventsProps {
  /** Adds all rows or none. */
  readonly append: (events: readonly AuditEvent[]) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Rows of one transaction: they hold up the event loop for some milliseconds. */
const ROWS_AT_ONCE = 50;
/** What happens within this time is written together. */
const GATHER_MS = 1_000;
const REASON_CHARS_MAX = 200;

/** Which door it was refused at. */
const targets: Readonly<Partial<Record<RefusalKind, string>>> = {
  api_token: 'api',
  role: 'api',
  join_token: 'enrolment',
  request: 'api',
  rate: 'api',
  connection: 'api',
  https_handshake: 'api',
  metadata: 'api',
};

export class SecurityEvents implements RefusalListener {
  readonly #props: SecurityEventsProps;
  readonly #log: LimitedLog;
  readonly #counts = new Map<RefusalKind, number>(refusalKinds.map((kind) => [kind, 0]));
  readonly #known = new RefusalGroups();
  readonly #strangers = new RefusalGroups();
  /** Taken from the groups, and not in the audit log yet. */
  #unwritten: readonly RefusalSum[] = [];
  /** Monotonic: until when nothing is looked at; -Infinity while something is. */
  #sleepsUntil = Number.NEGATIVE_INFINITY;
  readonly #sleep: WakeableSleep;

  constructor(props: SecurityEventsProps) {
    this.#props = props;
    this.#sleep = new WakeableSleep(props.clock);
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
  }

  /** Refusals since the start. */
  counts(): ReadonlyMap<RefusalKind, number> {
    return this.#counts;
  }

  refused({ kind, actor, address, reason }: Refusal): void {
    const { clock } = this.#props;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    const source = address === undefined ? undefined : sourceText(address);
    const short = shorten(reason, REASON_CHARS_MAX);
    const refusal = { kind, actor, address: source, reason: short };
    const groups = actor === undefined ? this.#strangers : this.#known;
    const dueAt = groups.add(refusal, clock.now(), clock.monotonic());
    this.#log.warn(actor ?? source ?? 'unknown', { kind, actor, address, reason: short }, refusalTexts[kind]);
    if (dueAt < this.#sleepsUntil) this.#sleep.wake();
  }

  /** Writes what is due. Ends with `signal`; what is left is for `close`. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#sleepUntilDue(signal);
      if (signal.aborted) return;
      const isWritten = await this.#write({ isLast: false });
      await this.#props.clock
        .sleep(isWritten ? GATHER_MS : limits.storageTriedMs, signal)
        .catch(() => undefined);
    }
  }

  /** Writes all there is; what the database does not take is lost, and the log says how much. */
  async close(): Promise<void> {
    do {
      if (!(await this.#write({ isLast: true }))) break;
    } while (this.#unwritten.length > 0);
    if (this.#unwritten.length === 0) return;
    const lost = this.#unwritten.reduce((sum, { count }) => sum + count, 0);
    this.#props.logger.error(
      { lost },
      'refusals are missing from the audit log because it could not be written',
    );
  }

  async #sleepUntilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#props;
    const dueAt = Math.min(this.#known.nextDueAt(), this.#strangers.nextDueAt());
    if (this.#unwritten.length > 0 || dueAt <= clock.monotonic()) return;
    this.#sleepsUntil = dueAt;
    await this.#sleep.sleep(dueAt - clock.monotonic(), signal);
    this.#sleepsUntil = Number.NEGATIVE_INFINITY;
  }

  /** False when the database did not take it. */
  async #write({ isLast }: { readonly isLast: boolean }): Promise<boolean> {
    const now = this.#props.clock.monotonic();
    if (this.#unwritten.length === 0 || isLast) {
      const taken = [this.#known, this.#strangers].flatMap((groups) => groups.take(now, { isLast }));
      this.#unwritten = [...this.#unwritten, ...taken];
    }
    if (this.#unwritten.length === 0) return true;
    try {
      await this.#props.append(this.#unwritten.slice(0, ROWS_AT_ONCE).map(eventOf));
      this.#unwritten = this.#unwritten.slice(ROWS_AT_ONCE);
      return true;
    } catch (error) {
      // The database itself tells what is wrong with it.
      this.#log.error('', { reason: errorText(error) }, 'refusals are not in the audit log yet; tried again');
      return false;
    }
  }
}

/** An IPv4 address, or the network of 64 bits of IPv6 that a single host has to itself. */
function sourceText(address: string): string {
  const source = sourceOf(address);
  return source.includes(':') ? `${source}::/64` : source;
}

function eventOf({ kind, actor, address, count, first, last, reasons, among }: RefusalSum): AuditEvent {
  return {
    actor: actor ?? 'anonymous',
    ...(address !== undefined && { address }),
    action: `security.${kind}`,
    target: targets[kind] ?? 'broker',
    details: {
      count,
      reasons,
      since: new Date(first).toISOString(),
      until: new Date(last).toISOString(),
      ...(among.length > 0 && { among }),
    },
  };
}
