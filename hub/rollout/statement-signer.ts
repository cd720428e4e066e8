/** Signs what a device is to run: one statement for each device, with a sequence that only grows and an expiry. */
import type { Transaction } from 'kysely';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { type DesiredState, desiredStateType, type TrialPlan } from '../../shared/protocol/desired-state.ts';
import { type DsseSigner, signDsse } from '../../shared/tuf/dsse.ts';
import type { Tables } from '../db/tables.ts';
import type { DesiredStore } from './desired-store.ts';

export interface StatementSignerProps {
  readonly store: DesiredStore;
  readonly signer: DsseSigner;
  readonly clock: Pick<Clock, 'now'>;
  /** How long a statement is valid. */
  readonly validMs: number;
}

export interface SignOptions {
  /** A model of which the device is to try again what it has quarantined or refused. */
  readonly releasedModel?: string;
  /** The sequence is above this one too. */
  readonly above?: number;
}

export class StatementSigner {
  readonly #store: DesiredStore;
  readonly #signer: DsseSigner;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #validMs: number;
  /** Last sequence of each device, as far as it was asked for since the start: heartbeats are compared with it. */
  readonly #sequences = new Map<string, number>();
  /** Devices each transaction has signed for. It may still be rolled back, so its reads of them are not cached. */
  readonly #signedIn = new WeakMap<Transaction<Tables>, Set<string>>();
  /** Every sequence is above it; undefined until the database was asked. */
  #base: number | undefined;

  constructor({ store, signer, clock, validMs }: StatementSignerProps) {
    this.#store = store;
    this.#signer = signer;
    this.#clock = clock;
    this.#validMs = validMs;
  }

  /** Signs and stores a statement of everything the device is to run. Returns its sequence. Throws `too_large`. */
  async sign(
    deviceId: string,
    tx: Transaction<Tables>,
    { releasedModel, above = 0 }: SignOptions = {},
  ): Promise<number> {
    const now = this.#clock.now();
    const models = await this.#store.models(deviceId, tx);
    if (models.length > limits.modelsPerDeviceMax) {
      throw new AppError(
        'too_large',
        `Cannot assign a model to "${deviceId}": a device runs at most ${limits.modelsPerDeviceMax} models; "modelfleet models unassign" removes one.`,
      );
    }
    const sequence = Math.max(await this.nextSequence(deviceId, tx), above + 1);
    if (releasedModel !== undefined) {
      await this.#store.setRelease({ device_id: deviceId, model: releasedModel, sequence }, tx);
    }
    const released = (await this.#store.releases(deviceId, tx)).map((row) => ({
      model: row.model,
      at: row.sequence,
    }));
    const unassigned = (await this.#store.unassigned(deviceId, tx)).map((row) => row.model);
    const state: DesiredState = {
      v: 1,
      device: deviceId,
      sequence,
      issued: new Date(now).toISOString(),
      expires: new Date(now + this.#validMs).toISOString(),
      models: models.map((row) => ({
        model: row.model,
        version: row.version,
        release: row.release,
        manifest: row.manifest_sha256,
        ...(row.rollout_id === null ? {} : { rollout: row.rollout_id }),
        ...(row.rollout_id === null || row.offer === null ? {} : { offer: row.offer }),
        trial: JSON.parse(row.trial) as TrialPlan,
      })),
      ...(released.length > 0 ? { released } : {}),
      ...(unassigned.length > 0 ? { unassigned } : {}),
    };
    this.#noteSigned(deviceId, tx);
    const envelope = signDsse(desiredStateType, Buffer.from(JSON.stringify(state)), this.#signer);
    await this.#store.setStatement(
      { device_id: deviceId, sequence, envelope: Buffer.from(envelope).toString('utf8'), issued_at: now },
      tx,
    );
    return sequence;
  }

  /** Of the statement that is made next, unless the device has accepted later ones. */
  async nextSequence(deviceId: string, tx: Transaction<Tables>): Promise<number> {
    const last = (await this.#store.statement(deviceId, tx))?.sequence ?? 0;
    this.#base ??= await this.#store.sequenceBase(tx);
    return Math.max(last, this.#base) + 1;
  }

  /** Sequence of the device's last statement; 0 when there is none. */
  async lastSequence(deviceId: string, tx: Transaction<Tables>): Promise<number> {
    const known = this.#sequences.get(deviceId);
    if (known !== undefined) return known;
    const sequence = (await this.#store.statement(deviceId, tx))?.sequence ?? 0;
    if (!this.hasSigned(deviceId, tx)) this.#sequences.set(deviceId, sequence);
    return sequence;
  }

  /** True when this transaction has signed for the device: what it reads of it is not durable yet. */
  hasSigned(deviceId: string, tx: Transaction<Tables>): boolean {
    return this.#signedIn.get(tx)?.has(deviceId) ?? false;
  }

  /** From the commit of `tx` on every sequence is above this one; call `forgetBase` after it. */
  async raiseBase(atLeast: number, tx: Transaction<Tables>): Promise<void> {
    await this.#store.setSequenceBase(Math.max(await this.#store.sequenceBase(tx), atLeast), tx);
  }

  /** The base may have been raised. */
  forgetBase(): void {
    this.#base = undefined;
  }

  /**
   * Drops the last sequences of removed devices. Every sequence is above them from then on, so that a machine that is enrolled
   * under the id of one, and has accepted its statements, continues above.
   */
  async forgetSequences(deviceIds: readonly string[], tx: Transaction<Tables>): Promise<void> {
    const highest = await this.#store.forgetSequences(deviceIds, tx);
    await this.raiseBase(highest, tx);
    // Should the transaction be rolled back, sequences only skip some numbers.
    if (this.#base !== undefined) this.#base = Math.max(this.#base, highest);
    for (const id of deviceIds) this.#sequences.delete(id);
  }

  #noteSigned(deviceId: string, tx: Transaction<Tables>): void {
    this.#sequences.delete(deviceId);
    const signed = this.#signedIn.get(tx);
    if (signed) signed.add(deviceId);
    else this.#signedIn.set(tx, new Set([deviceId]));
  }
}
