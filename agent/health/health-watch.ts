/**
 * Looks now and then at what changes by itself: disk, clock, certificate, whether what runs was withdrawn, whether nothing
 * shall be switched. Sets and clears the conditions; frees the disk of what nothing needs any more.
 */
import { existsSync } from 'node:fs';
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { isEnvironmental } from '../../shared/errors/error-class.ts';
import type { DeviceIdentity } from '../connection/identity.ts';
import type { VersionDownload } from '../download/version-download.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import type { TrustedVersions } from '../trust/trusted-version.ts';
import type { ModelUpdates } from '../update/model-updates.ts';
import { isSettled } from '../update/update-machine.ts';
import { certificateWarnMs, clockSuspicion } from './clock-check.ts';
import type { Conditions } from './conditions.ts';
import { findForeignEntries, foreignEntriesText } from './foreign-entries.ts';
import { quarantinedText } from './quarantined-text.ts';
import { StuckUpdates } from './stuck-updates.ts';

export interface HealthWatchProps {
  readonly conditions: Conditions;
  readonly slots: SlotStore;
  readonly download: Pick<VersionDownload, 'dropLeftovers'>;
  readonly updates: ModelUpdates;
  readonly trust: Pick<TrustedVersions, 'lookUp'>;
  /** Time that verified statements prove, milliseconds since the epoch. */
  readonly provenMs: () => number;
  readonly certificate: Pick<DeviceIdentity, 'certificateFrom' | 'certificateExpiresAt'>;
  readonly freeBytes: () => Promise<number>;
  /** Reserves space for a rollback on a full disk, when none is reserved. */
  readonly makeReserve: () => Promise<void>;
  /** Sets what is to be said of the connection. */
  readonly noteLink: () => void;
  readonly isConnected: () => boolean;
  readonly dropped: () => { readonly events: number; readonly telemetry: number };
  /** Why predictions are not stored for later labels; undefined when they are. */
  readonly predictionFault: () => string | undefined;
  readonly holdFile: string;
  /** Log lines lost since the start. */
  readonly logLost?: (() => number) | undefined;
  /** The agent's data folder. */
  readonly data: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const spaceFaults: ReadonlySet<string> = new Set(['not_enough_space', 'disk_full']);
const LOOK_MS = 30_000;
/** What was lost is told for so long after the last of it. */
const LOSS_TOLD_MS = 3_600_000;

export class HealthWatch {
  readonly #props: HealthWatchProps;
  #dropped = 0;
  #droppedAt: number | undefined;
  readonly #stuck = new StuckUpdates();
  #logLost = 0;
  #logLostAt: number | undefined;

  constructor(props: HealthWatchProps) {
    this.#props = props;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#props;
    while (!signal.aborted) {
      await this.check().catch((error: unknown) => {
        logger.warn({ reason: errorText(error) }, 'the health of this device could not be checked');
      });
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }

  async check(): Promise<void> {
    this.#checkClock();
    this.noteLog();
    this.#props.noteLink();
    this.noteUpdates();
    this.#notePredictions();
    await this.#checkDisk();
    await this.#findForeignEntries();
    await this.#findWithdrawn();
    await this.#collectGarbage();
  }

  #checkClock(): void {
    const { clock, conditions, provenMs, certificate } = this.#props;
    const { certificateFrom: certificateFromMs, certificateExpiresAt: certificateToMs } = certificate;
    const nowMs = clock.now();
    const evidence = { nowMs, provenMs: provenMs(), certificateFromMs, certificateToMs };
    conditions.set('clock_suspect', clockSuspicion(evidence));
    const left = certificateToMs - nowMs;
    const soon = left > 0 && left < certificateWarnMs;
    conditions.set(
      'certificate_ends',
      soon
        ? `The device certificate expires at ${new Date(certificateToMs).toISOString()}. Enrol the device again before then.`
        : undefined,
    );
  }

  /** Whether log lines are lost. An agent with little to say loses few, so it is told for a while. */
  noteLog(): void {
    const { clock, conditions, logLost = () => 0 } = this.#props;
    const lost = logLost();
    if (lost > this.#logLost) this.#logLostAt = clock.monotonic();
    this.#logLost = lost;
    conditions.set(
      'log_lost',
      isRecent(this.#logLostAt, clock)
        ? `Log lines of the agent could not be written. Lines lost since the start: ${lost}.`
        : undefined,
    );
  }

  #notePredictions(): void {
    const fault = this.#props.predictionFault();
    this.#props.conditions.set(
      'predictions_not_stored',
      fault && `Predictions cannot be stored, so that labels for them may be refused later. ${fault}`,
    );
  }

  /** What updates have come to; called after each change of theirs too. */
  noteUpdates(): void {
    const { clock, conditions, holdFile, updates, dropped } = this.#props;
    const nowMs = clock.now();
    const models = updates.report(nowMs);
    const waits = models.flatMap(({ model, update }) =>
      update?.fault && !isSettled(update.state) && isEnvironmental(update.fault.code)
        ? [`${model} ${update.version} (${update.state}) for ${update.fault.code}: ${update.fault.message}`]
        : [],
    );
    conditions.set('update_stuck', this.#stuck.describe(models, clock.monotonic()));
    conditions.set('update_waits', waits.length > 0 ? `Waiting: ${waits.join(' ')}` : undefined);
    conditions.set('version_quarantined', quarantinedText(models));
    const isHeld = existsSync(holdFile);
    conditions.set(
      'updates_held',
      isHeld ? `Updates do not switch versions while the file "${holdFile}" exists.` : undefined,
    );
    const { events, telemetry } = dropped();
    // It is checked after each change of an update too.
    if (events + telemetry > this.#dropped) this.#droppedAt = clock.monotonic();
    this.#dropped = events + telemetry;
    conditions.set(
      'spool_dropping',
      isRecent(this.#droppedAt, clock)
        ? `The outbox is full. Dropped since the start: ${telemetry} telemetry reports, ${events} events.`
        : undefined,
    );
  }

  async #checkDisk(): Promise<void> {
    const { conditions, freeBytes, makeReserve, logger } = this.#props;
    const free = await freeBytes().catch(() => undefined);
    const isLow = free !== undefined && free < limits.freeSpaceMarginBytes;
    conditions.set(
      'low_disk',
      isLow
        ? `${formatBytes(free)} are free; installs need ${formatBytes(limits.freeSpaceMarginBytes)} in addition to their own size.`
        : undefined,
    );
    if (free === undefined || isLow) return;
    await makeReserve().catch((error: unknown) => {
      logger.warn({ reason: errorText(error) }, 'no space could be reserved for a rollback');
    });
  }

  async #findForeignEntries(): Promise<void> {
    const { conditions, data } = this.#props;
    conditions.set('foreign_entries', foreignEntriesText(await findForeignEntries(data)));
  }

  /** A withdrawn version goes on answering; the hub is told that it does. */
  async #findWithdrawn(): Promise<void> {
    const { slots, trust, conditions, isConnected, logger } = this.#props;
    if (!isConnected()) return;
    const withdrawn: string[] = [];
    for (const model of slots.models()) {
      const { active } = slots.of(model);
      if (!active) continue;
      try {
        const { withdrawnReason } = await trust.lookUp(model, active.version);
        if (withdrawnReason !== undefined) withdrawn.push(`${model} ${active.version} (${withdrawnReason})`);
      } catch (error) {
        logger.debug(
          { model, reason: errorText(error) },
          'could not look up whether the active version was withdrawn',
        );
        return;
      }
    }
    conditions.set(
      'running_withdrawn',
      withdrawn.length > 0 ? `Withdrawn, and still serving: ${withdrawn.join('; ')}.` : undefined,
    );
  }

  async #collectGarbage(): Promise<void> {
    const { slots, download, updates, clock, logger } = this.#props;
    try {
      const pinned = updates.pinned();
      const removed = await slots.collect(pinned);
      if (removed > 0) logger.info({ removed }, 'slots that nothing needs were removed');
      const now = clock.now();
      // What was given up is kept for a day, in case it is wanted again; not while something else needs the space.
      const needsSpace = updates
        .report(now)
        .some(
          ({ update }) => update && !isSettled(update.state) && spaceFaults.has(update.fault?.code ?? ''),
        );
      await download.dropLeftovers(pinned, needsSpace ? Number.POSITIVE_INFINITY : now - limits.chunkKeptMs);
    } catch (error) {
      logger.warn({ reason: errorText(error) }, 'unused files could not be deleted; the agent tries again');
    }
  }
}

function isRecent(lossAt: number | undefined, clock: Clock): boolean {
  return lossAt !== undefined && clock.monotonic() - lossAt < LOSS_TOLD_MS;
}
