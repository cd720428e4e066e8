/**
 * The record of one model's update, in memory and in the journal, with the marks that tell at the next start how this life
 * of the agent ended: whether the state's own work was under way, and in which boot of the machine.
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { countStart } from './restart-count.ts';
import { trialFields } from './trial-progress.ts';
import type { UpdateJournal } from './update-journal.ts';
import { isSettled } from './update-machine.ts';
import type { Situation } from './update-planner.ts';
import type { Attempt, UpdateRecord } from './update-record.ts';

export interface LiveRecordProps {
  readonly journal: UpdateJournal;
  /** Names the machine's boot. */
  readonly boot: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LiveRecord {
  readonly #props: LiveRecordProps;
  #now: UpdateRecord;
  #hasEnded = false;

  constructor(record: UpdateRecord, props: LiveRecordProps) {
    this.#now = record;
    this.#props = props;
  }

  get now(): UpdateRecord {
    return this.#now;
  }

  /** In memory alone, until `store`. */
  set now(record: UpdateRecord) {
    this.#now = record;
  }

  get boot(): string {
    return this.#props.boot;
  }

  /** Changes fields of the attempt, which there must be, in memory alone. */
  change(fields: Partial<Attempt>): void {
    this.#now = { ...this.#now, attempt: { ...this.#now.attempt!, ...fields } };
  }

  /** Durable when resolved. Throws `disk_full`. */
  store(): Promise<void> {
    return this.#props.journal.write(this.#now);
  }

  /** The agent was started and found this. `progress` is that of the work under way (restart-count.ts). */
  async noteStart(progress: number): Promise<void> {
    const { attempt } = this.#now;
    if (attempt === undefined || isSettled(attempt.state)) return;
    this.#now = { ...this.#now, attempt: countStart(attempt, { boot: this.#props.boot, progress }) };
    await this.store().catch((error) => this.#warn('start of the agent could not be journalled', error));
  }

  /**
   * The state's own work begins: should the agent end in the middle of it, the next start counts that. Work that goes on for
   * long without that forgives what was before; `over` ends the watch. Durable when resolved. Throws `disk_full`.
   */
  async noteWork(over?: AbortSignal): Promise<void> {
    const { attempt } = this.#now;
    if (attempt === undefined || isSettled(attempt.state) || this.#hasEnded) return;
    this.change({ working: this.#props.boot });
    await this.store();
    if (over && attempt.restarts > 0) void this.#forgiveLater(over);
  }

  /**
   * So many golden samples were right in this life. Kept only after a crash: then the next start must tell a version that
   * ends the agent at the same sample each time from one that comes on.
   */
  async noteSamples(done: number): Promise<void> {
    const { attempt } = this.#now;
    if (!attempt || attempt.restarts === 0 || this.#hasEnded || done <= (attempt.samplesDone ?? 0)) return;
    this.change({ samplesDone: done });
    await this.store().catch((error) => this.#warn('golden samples could not be journalled', error));
  }

  /** The work failed or waits: an end of the agent is not its doing now. In memory alone. */
  noteRest(): void {
    const { working: _, ...attempt } = this.#now.attempt!;
    this.#now = { ...this.#now, attempt };
  }

  /** The agent ends in order: no work under way caused it. */
  async noteEnd(): Promise<void> {
    this.#hasEnded = true;
    if (this.#now.attempt?.working === undefined) return;
    this.noteRest();
    await this.store().catch((error) => this.#warn('end of the agent could not be journalled', error));
  }

  /**
   * Keeps how far a trial has come, and forgives restarts once the state has lasted `inStateMs` long enough. Nothing of it changes in
   * memory, which keeps counting from where this life began.
   */
  async keepProgress(trial: Situation['trial'], inStateMs: number): Promise<void> {
    const { attempt } = this.#now;
    if (attempt === undefined || isSettled(attempt.state)) return;
    const isStable = attempt.restarts > 0 && inStateMs >= limits.restartCountedMs;
    if (!isStable && !trial) return;
    const kept = { ...attempt, ...(isStable && { restarts: 0 }), ...(trial && trialFields(trial)) };
    await this.#props.journal
      .write({ ...this.#now, attempt: kept })
      .catch((error) => this.#warn('trial progress could not be stored', error));
  }

  async #forgiveLater(over: AbortSignal): Promise<void> {
    try {
      await this.#props.clock.sleep(limits.restartCountedMs, over);
      this.change({ restarts: 0 });
      await this.store();
    } catch (error) {
      if (!over.aborted) this.#warn('restarts could not be forgiven', error);
    }
  }

  #warn(message: string, error: unknown): void {
    this.#props.logger.warn({ model: this.#now.model, reason: errorText(error) }, message);
  }
}
