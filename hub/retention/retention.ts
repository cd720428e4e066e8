/**
 * Lets leave what is stored and kept long enough: in the background every minute, and when an operator says so. It works in
 * short passes, one kind after the other by turns, and rests as long as it works, so that nothing waits for it. What one kind
 * fails with is that kind's alone.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../../platform/logger.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { clockWatch } from '../../shared/base/retry-backoff.ts';
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { Expirable } from './expirable.ts';

export interface RetentionProps {
  readonly kinds: readonly Expirable[];
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface KindReport {
  readonly kind: string;
  readonly rule: string;
  /** What left; of a preview, what would leave. */
  readonly count: number;
  readonly bytes: number;
  readonly oldestAt?: number | undefined;
  /** There is more than was counted, or than left in the time that one request may take. */
  readonly isMore: boolean;
  /** Why this kind could not be looked at or let go; what is counted has left all the same. */
  readonly failed?: ErrorCode;
}

export class Retention {
  readonly #props: RetentionProps;
  readonly #stopping = new AbortController();
  readonly #removed = new Map<string, { count: number; bytes: number }>();
  #background: Promise<void> | undefined;
  /** One collection at a time: two would only get into each other's way. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(props: RetentionProps) {
    this.#props = props;
  }

  /** What left since the start, by kind. */
  get removed(): ReadonlyMap<string, { readonly count: number; readonly bytes: number }> {
    return this.#removed;
  }

  start(): void {
    this.#background ??= this.#run(this.#stopping.signal);
  }

  /** Ends after the pass under way, also a collection that somebody asked for. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#background;
    await this.#last;
  }

  /** What would leave now. Changes nothing. */
  async preview(): Promise<KindReport[]> {
    const now = this.#props.clock.now();
    const reports: KindReport[] = [];
    for (const expirable of this.#props.kinds) {
      const { kind, rule } = expirable;
      try {
        reports.push({ kind, rule, ...(await expirable.find(now, limits.retentionFoundMax)) });
      } catch (error) {
        reports.push({ kind, rule, count: 0, bytes: 0, isMore: false, failed: this.#fault(kind, error) });
      }
    }
    return reports;
  }

  /** Lets leave what may, as long as one request may take; the audit log says what left. */
  async collect(actor: Actor): Promise<KindReport[]> {
    const reports = await this.#collect(limits.retentionRequestMs);
    const left = reports.filter(({ count }) => count > 0);
    await this.#props.audit.append({
      ...auditActor(actor),
      action: 'retention.collected',
      target: 'hub',
      details: Object.fromEntries(left.map(({ kind, count, bytes }) => [kind, { count, bytes }])),
    });
    return reports;
  }

  /**
   * A clock that was just set may be wrong, and so may one that nobody has set since the machine started; what left by it cannot be
   * brought back. Nothing leaves by itself for an hour then. An operator who asks for it has looked at the clock.
   */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#props;
    let wasClockSet = clockWatch(clock);
    let heldUntil = clock.monotonic() + limits.retentionClockHeldMs;
    while (!signal.aborted) {
      if (wasClockSet()) {
        wasClockSet = clockWatch(clock);
        heldUntil = clock.monotonic() + limits.retentionClockHeldMs;
      }
      if (clock.monotonic() >= heldUntil) {
        // A part at a time: an operator who asks meanwhile comes in between.
        const reports = await this.#collect(limits.retentionRequestMs);
        for (const { kind, count, bytes } of reports)
          if (count > 0) logger.info({ kind, count, bytes }, 'what was kept long enough has left');
        if (reports.some(({ isMore }) => isMore)) continue;
      }
      await clock.sleep(limits.retentionEveryMs, signal).catch(() => undefined);
    }
  }

  #collect(msMax: number): Promise<KindReport[]> {
    const collecting = this.#last.then(() => this.#removeDue(msMax));
    this.#last = collecting;
    return collecting;
  }

  /** Never rejects. */
  async #removeDue(msMax: number): Promise<KindReport[]> {
    const { kinds, clock } = this.#props;
    const { signal } = this.#stopping;
    const now = clock.now();
    const endAt = performance.now() + msMax;
    const reports = new Map<string, KindReport>();
    let due = kinds;
    for (const { kind, rule } of kinds) reports.set(kind, { kind, rule, count: 0, bytes: 0, isMore: true });
    while (due.length > 0 && !signal.aborted && performance.now() < endAt) {
      const goOn: Expirable[] = [];
      for (const expirable of due) {
        if (signal.aborted) break;
        const report = reports.get(expirable.kind)!;
        const begun = performance.now();
        try {
          const { count, bytes, isMore } = await expirable.removeSome(now);
          this.#count(expirable.kind, count, bytes);
          reports.set(expirable.kind, {
            ...report,
            count: report.count + count,
            bytes: report.bytes + bytes,
            isMore,
          });
          if (isMore) goOn.push(expirable);
        } catch (error) {
          const failed = this.#fault(expirable.kind, error);
          reports.set(expirable.kind, { ...report, isMore: false, failed });
        }
        await wait(Math.min(performance.now() - begun, limits.retentionRestMsMax));
      }
      due = goOn;
    }
    return [...reports.values()];
  }

  #count(kind: string, count: number, bytes: number): void {
    const before = this.#removed.get(kind) ?? { count: 0, bytes: 0 };
    this.#removed.set(kind, { count: before.count + count, bytes: before.bytes + bytes });
  }

  #fault(kind: string, error: unknown): ErrorCode {
    this.#props.logger.error({ kind, err: error }, 'expired data could not be deleted');
    return isAppError(error) ? error.code : 'internal';
  }
}
