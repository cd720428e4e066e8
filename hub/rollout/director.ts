/**
 * The director decides which device runs what now: one signed statement for each device, with a sequence that only grows and an
 * expiry. Code that changes what a device should run does it here, inside its own transaction (`assign`), and announces it to
 * the devices after the commit (`publish`): persist, then announce. A hub that dies in between publishes it when it starts.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sleepUnlessSet } from '../../shared/base/clock-sleep.ts';
import { SerialQueue } from '../../shared/base/serial-queue.ts';
import type { TrialPlan } from '../../shared/protocol/desired-state.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import { topics } from '../../shared/protocol/topics.ts';
import type { DsseSigner } from '../../shared/tuf/dsse.ts';
import type { Broker } from '../broker/broker.ts';
import { attemptWithin } from '../db/savepoint.ts';
import type { Tables } from '../db/tables.ts';
import type { DesiredStore } from './desired-store.ts';
import { RestoreRecovery } from './restore-recovery.ts';
import { StatementSigner } from './statement-signer.ts';

/** One device is to run one version of a model, or its statements no longer name the model (`version` absent). */
export type Assignment =
  | {
      readonly deviceId: string;
      readonly model: string;
      readonly version: string;
      readonly release: number;
      readonly manifestSha256: string;
      readonly rollout?: string;
      readonly trial: TrialPlan;
    }
  | {
      readonly deviceId: string;
      readonly model: string;
      readonly version?: undefined;
      /** The model is unassigned: the device deletes what it has of it; else it keeps that. */
      readonly unassigned?: boolean;
    };

export interface Assigned {
  /** Of each device whose statement was made. */
  readonly sequences: ReadonlyMap<string, number>;
  /** Why those of the others could not be. */
  readonly failures: ReadonlyMap<string, unknown>;
}

export interface DirectorProps {
  readonly store: DesiredStore;
  readonly signer: DsseSigner;
  readonly broker: Pick<Broker, 'retain'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a statement is valid; signed again after half of it. */
  readonly validMs?: number;
}

const VALID_MS = 7 * 86_400_000;
const CLOCK_SLACK_MS = 60_000;
const RENEW_CHECK_MS = 10 * 60_000;
const BATCH = 200;

export class Director {
  readonly #store: DesiredStore;
  readonly #statements: StatementSigner;
  readonly #recovery: RestoreRecovery;
  readonly #broker: Pick<Broker, 'retain'>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #log: LimitedLog;
  readonly #validMs: number;
  /** One publish at a time: an older statement must not be retained over a newer one. */
  readonly #publishing = new SerialQueue();
  readonly #unpublished = new Set<string>();
  readonly #offered = new Map<string, ReadonlySet<string>>();
  /** Why a statement that should be renewed could not be, by device. */
  readonly #unsigned = new Map<string, string>();
  readonly #stopping = new AbortController();
  #renewing: Promise<void> | undefined;

  constructor({ store, signer, broker, clock, logger, validMs = VALID_MS }: DirectorProps) {
    this.#store = store;
    this.#statements = new StatementSigner({ store, signer, clock, validMs });
    this.#recovery = new RestoreRecovery({ store, statements: this.#statements, logger });
    this.#broker = broker;
    this.#clock = clock;
    this.#logger = logger;
    this.#log = new LimitedLog({ logger, monotonic: () => clock.monotonic() });
    this.#validMs = validMs;
  }

  /** Publishes every statement again (the broker's retained messages do not survive it) and keeps them from expiring. */
  async start(): Promise<void> {
    await this.republishAll();
    this.#renewing = this.#renewUntilStopped(this.#stopping.signal);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#renewing;
    await this.#publishing.idle();
  }

  /**
   * Changes what devices should run and signs the new statements. Returns the sequence of each device's statement. Without
   * `tx` it commits and publishes by itself; with it, the caller does both: `publish(ids)` after the commit.
   */
  async assign(
    assignments: readonly Assignment[],
    tx?: Transaction<Tables>,
  ): Promise<ReadonlyMap<string, number>> {
    if (!tx) {
      const sequences = await this.#store.transaction((own) => this.assign(assignments, own));
      await this.publish([...sequences.keys()]);
      return sequences;
    }
    const { sequences, failures } = await this.assignEach(assignments, tx);
    for (const error of failures.values()) throw error;
    return sequences;
  }

  /** As `assign`; a device whose statement cannot be made keeps the one it has, and delays none of the others. */
  async assignEach(assignments: readonly Assignment[], tx: Transaction<Tables>): Promise<Assigned> {
    const sequences = new Map<string, number>();
    const failures = new Map<string, unknown>();
    for (const [deviceId, own] of Map.groupBy(assignments, (assignment) => assignment.deviceId)) {
      const attempted = await attemptWithin(tx, async () => {
        for (const assignment of own) await this.#write(assignment, tx);
        return this.#statements.sign(deviceId, tx);
      });
      if ('value' in attempted) sequences.set(deviceId, attempted.value);
      else failures.set(deviceId, attempted.error);
    }
    return { sequences, failures };
  }

  /** Of these devices, those that are to remove the model and have not reported that they did. */
  async unassigned(
    model: string,
    deviceIds: readonly string[],
    tx: Transaction<Tables>,
  ): Promise<ReadonlySet<string>> {
    return deviceIds.length === 0 ? new Set() : this.#store.unassignedOf(model, deviceIds, tx);
  }

  /** The device was removed from the hub and has no desired state any more. `publish` withdraws its statement. */
  async forget(deviceId: string, tx: Transaction<Tables>): Promise<void> {
    this.#offered.delete(deviceId);
    await this.#store.forget(deviceId, tx);
  }

  /** Drops the sequences of devices that were removed long ago; every other is above them from then on. */
  async forgetSequences(deviceIds: readonly string[], tx: Transaction<Tables>): Promise<void> {
    await this.#statements.forgetSequences(deviceIds, tx);
  }

  /** This hub was set back: see restore-recovery.ts. Every sequence is above `atLeast` from now on; the next `renew` signs everything again. */
  async catchUp(atLeast: number): Promise<void> {
    await this.#recovery.catchUp(atLeast);
    this.#offered.clear();
  }

  /** A device's report of what it runs and on the last statement it has accepted, handled in the transaction that stores it. */
  async handleReport(deviceId: string, reported: ReportedState, tx: Transaction<Tables>): Promise<void> {
    if (!(await this.#recovery.handleReport(deviceId, reported, tx))) return;
    // It waits for the one connection, and so for the end of this transaction.
    void this.publish([deviceId]);
  }

  /** Statements for the device no longer name `model`; it keeps what it has. */
  async clear(deviceId: string, model: string): Promise<void> {
    await this.assign([{ deviceId, model }]);
  }

  /**
   * The device is to try again what it has quarantined or refused of `model`. Returns the sequence of that statement;
   * the caller publishes it after the commit.
   */
  release(deviceId: string, model: string, tx: Transaction<Tables>): Promise<number> {
    return this.#statements.sign(deviceId, tx, { releasedModel: model });
  }

  /** The version and the rollout each device's desired state names for `model`; devices without one are absent. */
  async current(
    model: string,
    deviceIds: readonly string[],
    tx?: Transaction<Tables>,
  ): Promise<ReadonlyMap<string, { readonly version: string; readonly rolloutId: string | null }>> {
    const rows = await this.#store.ofModel(model, deviceIds, tx);
    return new Map([...rows].map(([id, row]) => [id, { version: row.version, rolloutId: row.rollout_id }]));
  }

  /** How many other models each device's desired state names; devices with none are absent. */
  modelsBeside(
    model: string,
    deviceIds: readonly string[],
    tx?: Transaction<Tables>,
  ): Promise<ReadonlyMap<string, number>> {
    return this.#store.modelsBeside(model, deviceIds, tx);
  }

  /** Manifest digests a device may fetch now: those its desired state names. */
  async offered(deviceId: string): Promise<ReadonlySet<string>> {
    const cached = this.#offered.get(deviceId);
    if (cached) return cached;
    const digests = new Set((await this.#store.models(deviceId)).map((row) => row.manifest_sha256));
    this.#offered.set(deviceId, digests);
    return digests;
  }

  /**
   * Announces the stored statements of these devices as retained messages. A broker that refuses is logged, not thrown: the
   * decision stands, and the statement is published again at the next occasion.
   */
  async publish(deviceIds: readonly string[]): Promise<void> {
    for (const deviceId of deviceIds) {
      this.#offered.delete(deviceId);
      this.#unpublished.add(deviceId);
    }
    await this.#publishing.run(() => this.#publishPending());
  }

  /** Renews what is past half its life, then publishes the statement of every device. */
  async republishAll(): Promise<void> {
    await this.renew();
    let after = '';
    for (;;) {
      const deviceIds = await this.#store.stated({ after, limit: BATCH });
      if (deviceIds.length === 0) return;
      await this.publish(deviceIds);
      after = deviceIds.at(-1)!;
      // SQLite answers at once: without this a large fleet would block everything else.
      await nextTurn();
    }
  }

  /**
   * Renews and publishes the statements that are past half their life, or were issued by a clock that was ahead; publishes
   * those that could not be before.
   */
  async renew(): Promise<void> {
    const now = this.#clock.now();
    const issued = { before: now - this.#validMs / 2, after: now + CLOCK_SLACK_MS };
    let after = '';
    for (;;) {
      const deviceIds = await this.#store.stated({ after, limit: BATCH, issued });
      if (deviceIds.length === 0) break;
      await this.#store.transaction(async (tx) => {
        for (const deviceId of deviceIds) {
          // Removed since it was listed.
          if (!(await this.#store.statement(deviceId, tx))?.envelope) continue;
          const attempted = await attemptWithin(tx, () => this.#statements.sign(deviceId, tx));
          if ('error' in attempted) this.#reportUnsigned(deviceId, attempted.error);
          else this.#unsigned.delete(deviceId);
        }
      });
      await this.publish(deviceIds);
      after = deviceIds.at(-1)!;
      await nextTurn();
    }
    if (this.#unpublished.size > 0) await this.#publishing.run(() => this.#publishPending());
  }

  async #write(assignment: Assignment, tx: Transaction<Tables>): Promise<void> {
    this.#offered.delete(assignment.deviceId);
    if (assignment.version === undefined) {
      const { deviceId, model } = assignment;
      await this.#store.removeModel(deviceId, model, tx);
      if (!assignment.unassigned) return;
      const sequence = await this.#statements.nextSequence(deviceId, tx);
      await this.#store.setUnassigned({ device_id: deviceId, model, sequence }, tx);
      return;
    }
    await this.#store.endUnassigned(assignment.deviceId, [assignment.model], tx);
    await this.#store.setModel(
      {
        device_id: assignment.deviceId,
        model: assignment.model,
        version: assignment.version,
        release: assignment.release,
        manifest_sha256: assignment.manifestSha256,
        rollout_id: assignment.rollout ?? null,
        offer: await this.#statements.nextSequence(assignment.deviceId, tx),
        trial: JSON.stringify(assignment.trial),
        set_at: this.#clock.now(),
      },
      tx,
    );
  }

  /** Logged once for a device and a reason: each renewal tries it again. */
  #reportUnsigned(deviceId: string, error: unknown): void {
    const reason = errorText(error);
    if (this.#unsigned.get(deviceId) === reason) return;
    this.#unsigned.set(deviceId, reason);
    this.#log.error(deviceId, { deviceId, reason }, 'desired state not renewed');
  }

  async #publishPending(): Promise<void> {
    for (const deviceId of [...this.#unpublished]) {
      // Taken out first: a statement signed while this one is being sent must be published after it.
      this.#unpublished.delete(deviceId);
      try {
        const statement = await this.#store.statement(deviceId);
        if (statement) {
          // Empty for a removed device: the broker deletes its retained message.
          await this.#broker.retain(topics.device(deviceId, 'desired'), Buffer.from(statement.envelope));
        }
        this.#offered.delete(deviceId);
      } catch (error) {
        this.#unpublished.add(deviceId);
        this.#log.warn(deviceId, { deviceId, reason: errorText(error) }, 'desired state not published');
      }
    }
  }

  async #renewUntilStopped(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await sleepUnlessSet(this.#clock, RENEW_CHECK_MS, signal);
        await this.renew();
      } catch (error) {
        if (!signal.aborted) this.#logger.error({ reason: errorText(error) }, 'desired states not renewed');
      }
    }
  }
}
