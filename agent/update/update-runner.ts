/**
 * Drives one model's update: plan → store → tell → act, over and over. Invariants:
 *   - A state is in the journal before its work begins, so after `kill -9` the same work begins again.
 *   - Going back needs no disk: when the journal cannot be written, the switch back is made all the same.
 *   - A new desired version or an order that ends the work under way aborts it; nothing else does.
 *   - Nothing one model waits for holds up another: only hashing and golden samples take turns (step-executors.ts).
 *   - What lies with the environment is waited out; free space ends the wait.
 */

import { errorText } from '../../shared/base/app-error.ts';
import type { Random } from '../../shared/base/clock.ts';
import { SerialQueue } from '../../shared/base/serial-queue.ts';
import { WakeableSleep } from '../../shared/base/wakeable-sleep.ts';
import { errorClassOf } from '../../shared/errors/error-class.ts';
import type { DesiredModel } from '../../shared/protocol/desired-state.ts';
import type { UpdateEvent, UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';
import type { ServedModels } from '../serving/served-model.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import { answerForRollout, offerOf } from './answered-rollout.ts';
import { attemptEvent } from './attempt-event.ts';
import { applyMove } from './attempt-moves.ts';
import { checkOrder, judgeFailure, leastWaitMs, newsMayHelp, toFault } from './failure-policy.ts';
import { LiveRecord, type LiveRecordProps } from './live-record.ts';
import { type Released, releaseAll, releaseBefore } from './release.ts';
import { workDone } from './restart-count.ts';
import { RetryWait } from './retry-wait.ts';
import type { ServingRestorer } from './serving-restorer.ts';
import { SPACE_LOOK_MS, SpaceWait } from './space-wait.ts';
import type { Plan, Step, StepName, StepResult } from './step.ts';
import type { StepExecutors, Work } from './step-executors.ts';
import { trialFields, trialSoFar } from './trial-progress.ts';
import { isSettled, type MachineEvent } from './update-machine.ts';
import { planUpdate, type Situation } from './update-planner.ts';
import type { UpdateRecord } from './update-record.ts';

export interface UpdateRunnerProps extends LiveRecordProps {
  readonly slots: SlotStore;
  readonly served: Pick<ServedModels, 'figures' | 'serving' | 'answerFor'>;
  readonly restorer: ServingRestorer;
  readonly executors: StepExecutors;
  /** How many chunks of a version that is not installed yet are there. */
  readonly chunksHeld: (manifestSha256: string) => Promise<number>;
  /** Bytes free on the disk of the data folder. */
  readonly freeBytes: () => Promise<number>;
  /** Durable when resolved. */
  readonly announce: (event: UpdateEvent) => Promise<void>;
  readonly isConnected: () => boolean;
  /** Somebody at the device asks that nothing be switched now. */
  readonly isHeld: () => boolean;
  /** Something an operator would see has changed. */
  readonly onChange: () => void;
  /** Called right after a state was stored, before anything is done in it. */
  readonly onTransition?: ((model: string, state: UpdateState) => void) | undefined;
  readonly random: Random;
}

export type DesiredVersion = DesiredModel & { readonly sequence: number };

const SERVE_AGAIN_MS = 300_000;
/** Trial time and figures reach the journal this often; a crash loses at most so much. */
const PROGRESS_MS = 10_000;

const switchingSteps: ReadonlySet<StepName> = new Set(['activate', 'commit', 'rollBack']);

export class UpdateRunner {
  readonly model: string;
  readonly #props: UpdateRunnerProps;
  readonly #live: LiveRecord;
  #desired: DesiredVersion | undefined;
  #isOrderedBack = false;
  #isTrialServing = false;
  #notServing: UpdateFault | undefined;
  readonly #space: SpaceWait;
  #enteredAt: number;
  #serveAgainAt: number;
  #progressAt = 0;
  readonly #retry: RetryWait;
  readonly #sleep: WakeableSleep;
  /** Something changed since the last plan: do not rest on it. */
  #hasNews = false;
  #work: AbortController | undefined;
  /** What decides who answers happens one after the other. */
  readonly #switching = new SerialQueue();

  constructor(record: UpdateRecord, props: UpdateRunnerProps) {
    this.model = record.model;
    this.#live = new LiveRecord(record, props);
    this.#props = props;
    this.#sleep = new WakeableSleep(props.clock);
    this.#space = new SpaceWait(props.freeBytes);
    this.#enteredAt = props.clock.monotonic();
    this.#serveAgainAt = this.#enteredAt + SERVE_AGAIN_MS / 5;
    this.#retry = new RetryWait(props.clock, props.random);
  }

  get record(): UpdateRecord {
    return this.#live.now;
  }

  /** The version that the hub wants of this model; undefined when it names none. `releasedAt`: its release, if it has made one. */
  setDesired(desired: DesiredVersion | undefined, releasedAt = 0): void {
    this.#desired = desired;
    if (releasedAt > 0) this.#released(releaseBefore(this.record, releasedAt));
    this.notify();
  }

  /** Somebody at the device lets everything of the model be tried again. Returns the versions that were quarantined. */
  release(): readonly string[] {
    const released = releaseAll(this.record);
    this.#released(released);
    this.notify();
    return released.versions;
  }

  /** Lost when the agent dies before it is stored: the statement or the person says it again. */
  #released({ record, versions }: Released): void {
    if (record === this.record) return;
    this.#live.now = record;
    this.#retry.end();
    this.#live.store().catch((error) => this.#warn('release could not be journalled', error));
    if (versions.length === 0) return;
    this.#props.logger.info({ model: this.model, versions }, 'quarantined versions were released');
    this.#props.onChange();
  }

  /** Plans anew: the link, the desired version or the clock has changed. Ends work that is no longer wanted. */
  notify(): void {
    const plan = planUpdate(this.#situation());
    if (plan.kind === 'move' && (plan.event === 'superseded' || plan.event === 'ordered'))
      this.#work?.abort();
    // A line that comes and goes must not bring the counted tries close together.
    if (newsMayHelp(this.record.attempt?.fault)) this.#retry.end();
    this.#hasNews = true;
    this.#sleep.wake();
  }

  /** Orders the version before, as the person at the device asks. Throws `no_previous_version`, `update_under_way`. */
  orderBack(): void {
    const { slots, clock } = this.#props;
    checkOrder(this.record, slots.of(this.model), clock.now());
    this.#isOrderedBack = true;
    this.notify();
  }

  /** Serves what the device has, before anybody asks the hub (promise P2). */
  async restore(): Promise<void> {
    const { slots, restorer } = this.#props;
    const attempt = this.record.attempt;
    await this.#live.noteStart(await workDone(attempt, this.#props.chunksHeld));
    // A trial the journal knows nothing of was not proven.
    if (attempt === undefined && slots.of(this.model).trial) {
      await slots.endTrial(this.model).catch((error) => this.#warn('trial could not be ended', error));
    }
    await restorer.restore(this.model, slots.of(this.model));
    const { trial } = slots.of(this.model);
    const isCommitting = attempt?.state === 'committed' && trial?.manifest === attempt.manifest;
    if (trial && (attempt?.state === 'trial' || isCommitting)) {
      this.#notServing = await restorer.restoreTrial(this.model, trial, attempt && offerOf(attempt));
      this.#isTrialServing = this.#notServing === undefined;
    }
    if (!this.#isTrialServing || attempt?.state !== 'trial') return;
    await this.#live.noteWork().catch((error) => this.#warn('trial could not be journalled', error));
  }

  /**
   * Files of the version turned out damaged when its runner had to start again: what works at the start of the agent
   * works then too. Not while a trial runs, which is judged by its crashes and goes back by itself.
   */
  async replaceDamaged(manifest: string): Promise<void> {
    const { slots, restorer, onChange } = this.#props;
    await this.#switching.run(async () => {
      const { active, trial } = slots.of(this.model);
      if (trial || active?.manifest !== manifest) return;
      await restorer.restore(this.model, slots.of(this.model));
      onChange();
    });
    this.notify();
  }

  /** Last-known-good that could not be served at the start, on a machine too busy then, is tried again now and then. */
  async #serveLastGood(): Promise<void> {
    const { restorer, clock, onChange } = this.#props;
    if (clock.monotonic() < this.#serveAgainAt || !restorer.isLacking(this.model)) return;
    this.#serveAgainAt = clock.monotonic() + SERVE_AGAIN_MS;
    await this.#switching.run(() => restorer.serveLastGood(this.model));
    onChange();
  }

  /** Runs until the signal says stop. `restore` came before. */
  async run(signal: AbortSignal): Promise<void> {
    // At once, not when the work has ended: the agent does not wait for it for long.
    let ended: Promise<void> | undefined;
    const end = () => {
      const trial = this.#trial();
      if (trial) this.#live.change(trialFields(trial));
      ended = this.#live.noteEnd();
    };
    signal.addEventListener('abort', end, { once: true });
    while (!signal.aborted) {
      try {
        this.#hasNews = false;
        answerForRollout(this.#props.served, this.model, this.record);
        await this.#announce();
        if (await this.#space.isOver()) this.#retry.end();
        const plan = planUpdate(this.#situation());
        if (plan.kind === 'rest') {
          await this.#keepProgress();
          if (isSettled(this.record.attempt?.state ?? 'idle')) await this.#serveLastGood();
          await this.#rest(plan, signal);
        } else if (plan.kind === 'move') await this.#move(plan.event, plan.fault);
        else await this.#act(plan.step, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#warn('update could not go on; trying again', error);
        this.#retry.failed();
        await this.#rest({ kind: 'rest', wakeInMs: this.#retry.leftMs }, signal);
      }
    }
    await ended;
  }

  /**
   * Gives the model up, once `run` has ended: what the device has of it goes, and it answers no more. Safe to repeat: the
   * journal goes last. Throws `disk_full`.
   */
  async discard(): Promise<void> {
    const { slots, restorer, journal } = this.#props;
    await this.#switching.run(async () => {
      await slots.discard(this.model);
      await restorer.retire(this.model);
      await journal.remove(this.model);
    });
  }

  #situation(): Situation {
    const { slots, isConnected, isHeld } = this.#props;
    const trial = this.#trial();
    return {
      desired: this.#desired,
      record: this.record,
      slots: slots.of(this.model),
      ...(trial && { trial }),
      ...(this.#notServing && { notServing: this.#notServing }),
      isHeld: isHeld(),
      isConnected: isConnected(),
      isOrderedBack: this.#isOrderedBack,
      retryInMs: this.#retry.leftMs,
    };
  }

  #trial(): Situation['trial'] {
    const attempt = this.record.attempt;
    if (attempt?.state !== 'trial' || !this.#isTrialServing) return undefined;
    const elapsedMs = this.#props.clock.monotonic() - this.#enteredAt;
    return trialSoFar(attempt, this.#props.served.figures(this.model), elapsedMs);
  }

  async #move(event: MachineEvent, fault?: UpdateFault): Promise<void> {
    const { slots, clock, logger, onTransition, onChange } = this.#props;
    const before = this.record;
    const nowMs = Math.max(0, Math.round(clock.now()));
    this.#live.now = applyMove({
      record: before,
      event,
      fault,
      desired: this.#desired,
      slots: slots.of(this.model),
      nowMs,
    });
    const { state, version } = this.record.attempt!;
    // A trial is at work all the time.
    if (state === 'trial') this.#live.change({ working: this.#live.boot });
    try {
      await this.#live.store();
    } catch (error) {
      if (state !== 'rolling-back' && state !== 'rolled-back') {
        this.#live.now = before;
        throw error;
      }
      this.#warn('going back although the journal cannot be written', error);
    }
    this.#enteredAt = clock.monotonic();
    this.#progressAt = this.#enteredAt;
    this.#space.end();
    this.#retry.startAnew();
    // What went back for a trouble of the device is wanted still, but not in the same moment.
    const isOwnTrouble =
      state === 'rolled-back' && errorClassOf(this.record.attempt?.fault?.code ?? '') === 'device';
    if (isOwnTrouble) this.#retry.failed();
    if (state === 'rolling-back') this.#isOrderedBack = false;
    if (state !== 'trial' && state !== 'committed') {
      this.#isTrialServing = false;
      this.#notServing = undefined;
    } else if (event === 'passed') this.#isTrialServing = true;
    logger.info(
      { model: this.model, version, state, ...(fault && { code: fault.code, reason: fault.message }) },
      'update state entered',
    );
    onTransition?.(this.model, state);
    onChange();
    await this.#announce();
  }

  async #act(step: Step, signal: AbortSignal): Promise<void> {
    const work = new AbortController();
    this.#work = work;
    const either = AbortSignal.any([signal, work.signal]);
    const forgiving = new AbortController();
    let result: StepResult;
    try {
      const begins = () => this.#live.noteWork(AbortSignal.any([either, forgiving.signal]));
      const sampled = (done: number) => this.#live.noteSamples(done);
      const run = () => this.#execute(step, { signal: either, begins, sampled });
      result = await (switchingSteps.has(step.name) ? this.#switching.run(run) : run());
    } catch (error) {
      if (either.aborted) return;
      await this.#space.failedOn(error);
      await this.#failed(toFault(error));
      return;
    } finally {
      forgiving.abort();
      this.#work = undefined;
    }
    // What was no longer wanted when it ended is planned anew, not passed.
    if (either.aborted) return;
    const attempt = this.record.attempt!;
    if (isSettled(attempt.state)) return this.#props.onChange();
    this.#live.change(result);
    await this.#move('passed');
  }

  #execute(step: Step, work: Work): Promise<StepResult> {
    // One name, one executor, one kind of argument: step.ts keeps the three together.
    const execute = this.#props.executors[step.name] as StepExecutors[typeof step.name];
    return execute({ attempt: step.attempt, record: this.record }, work);
  }

  async #failed(fault: UpdateFault): Promise<void> {
    const { logger, onChange } = this.#props;
    const attempt = this.record.attempt!;
    const verdict = judgeFailure(attempt, fault);
    logger.warn(
      {
        model: this.model,
        version: attempt.version,
        state: attempt.state,
        code: fault.code,
        reason: fault.message,
        verdict,
      },
      'update step failed',
    );
    if (verdict === 'give-up') return this.#move('failed', fault);
    const failures = attempt.failures + (verdict === 'try-again' ? 1 : 0);
    // While going back, the fault that led there is the one worth keeping; what was committed has none.
    const kept = attempt.state === 'rolling-back' || isSettled(attempt.state) ? {} : { fault };
    this.#live.noteRest();
    this.#live.change({ failures, ...kept });
    this.#retry.failed(leastWaitMs(fault));
    onChange();
    await this.#live.store();
  }

  /** The event of the state goes to the outbox once. */
  async #announce(): Promise<void> {
    const attempt = this.record.attempt;
    if (attempt === undefined || attempt.announced) return;
    try {
      await this.#props.announce(attemptEvent(this.record, attempt));
      this.#live.change({ announced: true });
      if (isSettled(attempt.state)) await this.#live.store();
    } catch (error) {
      this.#warn('update event could not be stored for sending', error);
    }
  }

  async #keepProgress(): Promise<void> {
    const now = this.#props.clock.monotonic();
    if (now - this.#progressAt < PROGRESS_MS) return;
    this.#progressAt = now;
    await this.#live.keepProgress(this.#trial(), now - this.#enteredAt);
  }

  async #rest({ wakeInMs }: Extract<Plan, { kind: 'rest' }>, signal: AbortSignal): Promise<void> {
    if (this.#hasNews) return;
    const longest = this.#space.isOn ? SPACE_LOOK_MS : PROGRESS_MS * 6;
    const ms = Math.max(1, Math.ceil(Math.min(wakeInMs ?? longest, longest)));
    await this.#sleep.sleep(ms, signal);
  }

  #warn(message: string, error: unknown): void {
    this.#props.logger.warn({ model: this.model, reason: errorText(error) }, message);
  }
}
