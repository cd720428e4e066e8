/**
 * A hub that was set back: restored from a backup, or older than what its devices have accepted for whatever reason. Devices may have
 * accepted later statements than it knows of, and may run other versions. Its sequences are raised above theirs, and statements do not
 * name a version for a device until the device has reported that it runs it: a restore rolls no device back to the versions of the backup.
 */
import type { Transaction } from 'kysely';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { Tables } from '../db/tables.ts';
import type { DesiredStore } from './desired-store.ts';
import type { StatementSigner } from './statement-signer.ts';

export interface RestoreRecoveryProps {
  readonly store: DesiredStore;
  readonly statements: StatementSigner;
  readonly logger: Logger;
}

export class RestoreRecovery {
  readonly #store: DesiredStore;
  readonly #statements: StatementSigner;
  readonly #log: LimitedLog;
  /** Devices whose report of what they run is awaited; undefined until the database was asked. */
  #unconfirmed: Set<string> | undefined;

  constructor({ store, statements, logger }: RestoreRecoveryProps) {
    this.#store = store;
    this.#statements = statements;
    this.#log = new LimitedLog({ logger, monotonic: () => performance.now() });
  }

  /** The hub knows that it was set back. Every statement is due to be signed again. */
  async catchUp(atLeast: number): Promise<void> {
    await this.#store.transaction(async (tx) => {
      await this.#statements.raiseBase(atLeast, tx);
      await this.#store.unconfirm(undefined, tx);
      await this.#store.expireStatements(tx);
    });
    this.#statements.forgetBase();
    this.#unconfirmed = undefined;
  }

  /**
   * A device's report of what it runs and on the last statement it has accepted. When that is later than all that this hub knows
   * to have signed, the hub was set back: the device would refuse its statements, so their sequences continue above. True when a statement was
   * signed, to be published after the commit.
   */
  async handleReport(
    deviceId: string,
    { sequence, models }: ReportedState,
    tx: Transaction<Tables>,
  ): Promise<boolean> {
    this.#unconfirmed ??= new Set(await this.#store.unconfirmedDevices(tx));
    const signed = await this.#statements.lastSequence(deviceId, tx);
    const isBehind = sequence > signed;
    if (!isBehind && !this.#unconfirmed.has(deviceId)) return false;
    // A device that lies does no harm: no honest sequence is that far ahead.
    if (sequence > signed + limits.sequenceStepMax) return false;
    if (isBehind) {
      this.#log.warn(
        deviceId,
        { deviceId, sequence, signed },
        'a device has accepted later desired states; the hub continues above their sequence',
      );
      await this.#store.unconfirm(deviceId, tx);
    }
    const rows = await this.#store.unconfirmedModels(deviceId, tx);
    if (rows.length === 0 && !isBehind) {
      // Unless this transaction confirmed them: it may be rolled back.
      if (!this.#statements.hasSigned(deviceId, tx)) this.#unconfirmed.delete(deviceId);
      return false;
    }
    const running = new Map(models.map(({ model, active }) => [model, active?.manifest]));
    for (const row of rows) {
      if (running.get(row.model) === row.manifest_sha256) await this.#store.setModel(row, tx);
      else await this.#store.removeModel(deviceId, row.model, tx);
    }
    await this.#statements.sign(deviceId, tx, { above: sequence });
    return true;
  }
}
