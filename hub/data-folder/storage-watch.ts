/**
 * Whether disk and database can be written and trusted. Code that meets a failure reports it here; from then on the hub is not
 * ready, its metrics and its log show it, and a small write is tried until it succeeds. The audit log cannot be written
 * meanwhile: it records afterwards what failed, and for how long. Reading continues all the time.
 */

import type { Logger } from '../../platform/logger.ts';
import type { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import { hubDataFolder, storageError } from '../db/storage-error.ts';
import { type StorageCode, storageCodes } from '../db/storage-trouble.ts';

export interface StorageWatchProps {
  /** Throws when disk or database do not accept a write. */
  readonly tryWrite: () => Promise<void>;
  /** What is wrong inside the database, nothing when it is intact. */
  readonly findDamage: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly audit: { append(event: AuditEvent): Promise<void> };
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Fault {
  readonly error: AppError;
  readonly since: number;
  /** How many operations failed because of it. */
  failures: number;
}

export class StorageWatch {
  readonly #props: StorageWatchProps;
  readonly #faults = new Map<StorageCode, Fault>();
  readonly #failures = new Map<StorageCode, number>();
  #trying: Promise<void> | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  readonly #sleep: WakeableSleep;

  constructor(props: StorageWatchProps) {
    this.#props = props;
    this.#sleep = new WakeableSleep(props.clock);
  }

  /** Failures since the start by code, and whether the fault persists. */
  *figures(): Generator<{ code: StorageCode; failures: number; stands: boolean }> {
    for (const code of storageCodes) {
      yield { code, failures: this.#failures.get(code) ?? 0, stands: this.#faults.has(code) };
    }
  }

  /** Records an error of disk or database, and no other. */
  readonly see = (error: unknown): void => {
    const appError = storageError(error, hubDataFolder);
    if (!appError) return;
    const code = appError.code as StorageCode;
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
    const fault = this.#faults.get(code);
    if (fault) {
      fault.failures += 1;
      return;
    }
    this.#faults.set(code, { error: appError, since: this.#props.clock.now(), failures: 1 });
    this.#props.logger.error(
      { code, reason: appError.message, fix: appError.entry.fix },
      'the hub cannot write to its storage',
    );
    if (code === 'database_damaged') void this.#reportDamage(appError.message);
    this.#sleep.wake();
  };

  /** For `/readyz`: throws the fault that persists. A write is tried when the last one is not recent, and waited for briefly. */
  async requireSound(): Promise<void> {
    if (this.#faults.size === 0 && this.#props.clock.monotonic() - this.#triedAt > limits.storageSoundMs) {
      const waiting = new AbortController();
      await Promise.race([
        this.#try(),
        this.#props.clock.sleep(limits.readyWaitMs, waiting.signal).catch(() => undefined),
      ]);
      waiting.abort();
    }
    for (const code of storageCodes) {
      const fault = this.#faults.get(code);
      if (fault) throw fault.error;
    }
  }

  /** Tries writes for as long as a fault persists. Ends with `signal`. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#waits()) await this.#try();
      if (this.#waits()) {
        await this.#props.clock.sleep(limits.storageTriedMs, signal).catch(() => undefined);
      } else {
        await this.#sleep.sleep(Number.POSITIVE_INFINITY, signal);
      }
    }
  }

  /** Checks the database now and once a day. Ends with `signal`. */
  async runIntegrity(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const damage = await this.#props.findDamage(signal);
        if (damage[0] !== undefined) {
          this.#props.logger.error({ damage }, 'the database is damaged');
          this.see(Object.assign(new Error(damage[0]), { code: 'SQLITE_CORRUPT' }));
        }
      } catch (error) {
        if (!signal.aborted) this.#props.logger.error({ err: error }, 'the database could not be checked');
      }
      await this.#props.clock.sleep(limits.integrityCheckEveryMs, signal).catch(() => undefined);
    }
  }

  /** Whether a fault persists that a successful write clears; damage persists until a start on an intact database. */
  #waits(): boolean {
    return [...this.#faults.keys()].some((code) => code !== 'database_damaged');
  }

  #try(): Promise<void> {
    this.#trying ??= this.#tryOnce().finally(() => {
      this.#trying = undefined;
      this.#triedAt = this.#props.clock.monotonic();
    });
    return this.#trying;
  }

  async #tryOnce(): Promise<void> {
    try {
      await this.#props.tryWrite();
      if (this.#waits()) await this.#report();
    } catch (error) {
      if (storageError(error, hubDataFolder)) this.see(error);
      else this.#props.logger.error({ err: error }, 'the test write into the data folder failed');
    }
  }

  /** A fault is over once the audit log has recorded it. */
  async #report(): Promise<void> {
    const { audit, clock, logger } = this.#props;
    const over = [...this.#faults].filter(([code]) => code !== 'database_damaged');
    const until = new Date(clock.now()).toISOString();
    const faults = over.map(([code, { since, failures }]) => ({
      code,
      since: new Date(since).toISOString(),
      failures,
    }));
    await audit.append({
      actor: 'hub',
      action: 'storage.recovered',
      target: 'data-folder',
      details: { faults, until },
    });
    for (const [code] of over) this.#faults.delete(code);
    logger.info({ faults }, 'storage works again');
  }

  async #reportDamage(reason: string): Promise<void> {
    const details = { reason };
    const event = { actor: 'hub', action: 'storage.damaged', target: 'data-folder', details } as const;
    await this.#props.audit.append(event).catch((error: unknown) => {
      this.#props.logger.error(
        { err: error },
        'the damage of the database could not be recorded in the audit log',
      );
    });
  }
}
