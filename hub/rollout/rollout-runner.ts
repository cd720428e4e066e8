/**
 * Runs rollouts: observes, asks the planner, commits its steps, then announces them to the devices. One writer for each
 * rollout (its lease), so an action, a tick and a device's message never interleave. The only memory is when to evaluate
 * again; after a restart everything is derived from the database, and a step that was committed but not announced is
 * announced again by the director.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { UpdateEvent } from '../../shared/protocol/update-event.ts';
import type { Tables } from '../db/tables.ts';
import { applyMessage, type DeviceMessage, isInFlight, type RolloutDevice } from './device-progress.ts';
import type { Director } from './director.ts';
import { EvidenceFigures } from './evidence-figures.ts';
import type { Leases } from './leases.ts';
import { noSuchRollout } from './no-such-rollout.ts';
import { lastGoodVersion } from './rollback-target.ts';
import type { Initiator, RolloutChanges } from './rollout-changes.ts';
import type { RolloutDeviceStore } from './rollout-device-store.ts';
import type { EvidenceSources } from './rollout-evidence.ts';
import { isUnderWay, type RolloutAction } from './rollout-machine.ts';
import { needsTelemetry, observeRollout } from './rollout-observation.ts';
import { type Ending, planNextSteps } from './rollout-planner.ts';
import { type RolloutRecord, type RolloutStore, toView } from './rollout-store.ts';
import { WatchSpan } from './watch-span.ts';

export interface RolloutRunnerProps {
  readonly store: RolloutStore;
  readonly devices: RolloutDeviceStore;
  readonly changes: RolloutChanges;
  readonly director: Pick<Director, 'publish'>;
  readonly evidence: EvidenceSources;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the gates of a running rollout evaluate telemetry, which arrives without notice. */
  readonly observeMs?: number;
}

/** Why a rollout cannot be advanced. */
export interface AdvanceFailure {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly code: string;
  readonly message: string;
}

const OBSERVE_MS = 2_000;
/** Longest time between evaluations: a lost notification is made up for then at the latest. */
const EVALUATE_MS_MAX = 60_000;
/** Shortest time between two evaluations of one rollout, so that a thousand reports of devices cause one evaluation. */
const EVALUATE_MS_MIN = 50;
const ROUNDS_MAX = 10_000;
const hub: Initiator = { actor: 'hub' };

export class RolloutRunner {
  readonly #store: RolloutStore;
  readonly #devices: RolloutDeviceStore;
  readonly #changes: RolloutChanges;
  readonly #director: Pick<Director, 'publish'>;
  readonly #evidence: EvidenceSources & { readonly figures: EvidenceFigures };
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #observeMs: number;
  readonly #leases: Leases;
  readonly #watch: WatchSpan;
  /** When each rollout is evaluated again, monotonic milliseconds; one that is absent is evaluated now. */
  readonly #evaluateAt = new Map<string, number>();
  /** Rollouts that changed since their last evaluation began. */
  readonly #changed = new Set<string>();
  /** Of rollouts that could not be advanced at the last evaluation. */
  readonly #failures = new Map<string, AdvanceFailure>();
  readonly #stopping = new AbortController();
  #woken: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(props: RolloutRunnerProps) {
    this.#store = props.store;
    this.#devices = props.devices;
    this.#changes = props.changes;
    this.#director = props.director;
    this.#evidence = { ...props.evidence, figures: new EvidenceFigures(props.evidence) };
    this.#leases = props.leases;
    this.#clock = props.clock;
    this.#logger = props.logger;
    this.#observeMs = props.observeMs ?? OBSERVE_MS;
    this.#watch = new WatchSpan(props.clock);
  }

  /** Since when the hub has been watching without a gap, milliseconds since the epoch. */
  get watchingSince(): number {
    return this.#watch.since();
  }

  /** Why the rollout could not be advanced at the last evaluation; undefined when it could. */
  failureOf(id: string): AdvanceFailure | undefined {
    return this.#failures.get(id);
  }

  start(): void {
    this.#running = this.#runUntilStopped(this.#stopping.signal);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#woken();
    await this.#running;
    await this.#leases.idle();
  }

  /** Evaluates every rollout that is due, one after the other. */
  async tick(): Promise<void> {
    const unfinished = await this.#store.unfinished();
    const isUnfinished = new Set(unfinished);
    for (const memory of [this.#evaluateAt, this.#changed, this.#failures]) {
      for (const id of memory.keys()) if (!isUnfinished.has(id)) memory.delete(id);
    }
    this.#evidence.figures.keepOnly(isUnfinished);
    for (const id of unfinished) {
      if ((this.#evaluateAt.get(id) ?? 0) > this.#clock.monotonic()) continue;
      await this.#leases.hold(id, () => this.#advanceOrLog(id));
    }
  }

  /** Advances a rollout as far as possible now. Failures are logged and retried at the next evaluation. */
  async evaluate(id: string): Promise<void> {
    await this.#leases.hold(id, () => this.#advanceOrLog(id));
    // The loop sleeps until a time that may have changed.
    this.#woken();
  }

  /**
   * Performs an action of an operator and its immediate consequences. Throws `not_found`, `rollout_state_conflict`; nothing is
   * changed then.
   */
  async action(
    id: string,
    action: RolloutAction,
    { by, reason, ending }: { readonly by: Initiator; readonly reason: string; readonly ending?: Ending },
  ): Promise<void> {
    await this.#leases.hold(id, async () => {
      const record = await this.#find(id);
      const view = toView(record, []);
      const step = { kind: 'action', action, reason, ...(ending ? { ending } : {}) } as const;
      await this.#changes.commit(record, view, { steps: [step] }, { now: this.#clock.now(), by });
      // The action is done: its consequences may fail now and are retried at the next evaluation.
      await this.#advanceOrLog(id);
    });
    this.#woken();
  }

  /**
   * Ends every rollout that has not, or still reverts versions: what devices have stays. For a hub that lost what happened since;
   * nothing may be decided, or reported as done, from its outdated state. Returns their ids.
   */
  async endAll(reason: string): Promise<string[]> {
    const ended: string[] = [];
    for (const id of await this.#store.unfinished()) {
      const { status } = await this.#find(id);
      const isReverting = status === 'rolling-back' || status === 'aborted';
      await this.action(id, isReverting ? 'abandon' : 'abort', { by: hub, reason, ending: 'keep' });
      ended.push(id);
    }
    return ended;
  }

  /** An update event of a device, handled in the transaction that stores it. */
  async handleEvent(deviceId: string, event: UpdateEvent, tx: Transaction<Tables>): Promise<void> {
    if (event.rollout === undefined) return;
    const { version, state, fault } = event;
    const message = { kind: 'event', version, state, ...(fault ? { fault } : {}) } as const;
    await this.#applyMessage(event.rollout, deviceId, event.model, message, tx);
  }

  /** A device's reported state, handled in the transaction that stores it. */
  async handleReport(deviceId: string, reported: ReportedState, tx: Transaction<Tables>): Promise<void> {
    const { sequence } = reported;
    const awaiting = await this.#devices.awaitingRevert(deviceId, tx);
    for (const entry of reported.models) {
      const { model, active, update } = entry;
      const latest = await this.#devices.latestOffered(deviceId, model, tx);
      if (latest === undefined) continue;
      const lastGood = lastGoodVersion(entry);
      const message: DeviceMessage = {
        kind: 'report',
        sequence,
        ...(active ? { activeVersion: active.version } : {}),
        ...(lastGood === undefined ? {} : { lastGood }),
        ...(update ? { update } : {}),
      };
      const ofModel = awaiting.filter((one) => one.model === model).map(({ rolloutId }) => rolloutId);
      for (const id of new Set([latest, ...ofModel]))
        await this.#applyMessage(id, deviceId, model, message, tx);
    }
    // A report is complete: a model that is not in it is not on the device.
    const models = new Set(reported.models.map(({ model }) => model));
    for (const { rolloutId, model } of awaiting) {
      if (!models.has(model))
        await this.#applyMessage(rolloutId, deviceId, model, { kind: 'report', sequence }, tx);
    }
  }

  /** A device was removed from the hub; called inside the transaction that does it. */
  async removeDevice(deviceId: string, now: number, tx: Transaction<Tables>): Promise<void> {
    await this.#devices.remove(deviceId, now, tx);
  }

  /** The removal is committed: rollouts that the device was part of go on without it. */
  async deviceRemoved(deviceId: string): Promise<void> {
    for (const id of await this.#devices.underWayWith(deviceId)) this.#wake(id);
  }

  /** Without the lease, which an evaluation may hold for long: each message is applied to the device's row as last committed. */
  async #applyMessage(
    rolloutId: string,
    deviceId: string,
    model: string,
    message: DeviceMessage,
    tx: Transaction<Tables>,
  ): Promise<void> {
    // The rollout's id may come from the device: it is used only if the rollout exists.
    const device = await this.#devices.find(rolloutId, deviceId, tx);
    if (!device) return;
    const record = await this.#store.find(rolloutId, tx);
    if (record?.plan.model !== model) return;
    const after = applyMessage(device, message, { version: record.plan.version, now: this.#clock.now() });
    if (!isWorthStoring(device, after, record)) return;
    await this.#devices.save(rolloutId, after, tx);
    if (after.status === device.status && after.revertOutcome === device.revertOutcome) return;
    // The evaluation waits for the transaction to end.
    this.#wake(rolloutId);
  }

  async #advanceOrLog(id: string): Promise<void> {
    try {
      await this.#advance(id);
      this.#failures.delete(id);
    } catch (error) {
      this.#evaluateAt.set(id, this.#clock.monotonic() + this.#observeMs);
      this.#reportFailure(id, error);
    }
  }

  async #advance(id: string): Promise<void> {
    this.#changed.delete(id);
    const record = await this.#find(id);
    const evaluatedAt = this.#clock.monotonic();
    const observation = await observeRollout(toView(record, await this.#devices.list(id)), this.#evidence, {
      now: this.#clock.now(),
      watchingSince: this.watchingSince,
    });
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const current = await this.#find(id);
      const view = toView(current, await this.#devices.list(id));
      const next = planNextSteps(view, observation);
      const now = observation.now;
      const changed = await this.#changes.commit(current, view, next, { now, by: hub });
      await this.#director.publish(changed);
      this.#log(current, next);
      // An offer that changed nothing: the version was deleted or withdrawn during the evaluation. The next one finds that.
      const isStuck = next.steps.some((step) => step.kind === 'offer') && changed.length === 0;
      if (next.steps.length > 0 && !isStuck && !this.#stopping.signal.aborted) {
        // SQLite answers at once: without this a large rollout would block everything else.
        await nextTurn();
        continue;
      }
      const longestMs = needsTelemetry(view) ? this.#observeMs : EVALUATE_MS_MAX;
      const waitMs = next.evaluateAgainAt === undefined ? longestMs : next.evaluateAgainAt - now;
      // A device may have reported after this evaluation read its input.
      if (this.#changed.has(id)) this.#evaluateAt.delete(id);
      else this.#evaluateAt.set(id, evaluatedAt + Math.max(EVALUATE_MS_MIN, Math.min(waitMs, longestMs)));
      return;
    }
    throw new AppError('internal', `Cannot advance rollout "${id}": its plan produces steps without end.`);
  }

  /** An error that persists is logged once. */
  #reportFailure(id: string, error: unknown): void {
    const known = this.#failures.get(id);
    const message = errorText(error);
    const code = isAppError(error) ? error.code : 'internal';
    this.#failures.set(id, { since: known?.since ?? this.#clock.now(), code, message });
    if (known?.message !== message)
      this.#logger.error({ rollout: id, reason: message }, 'a rollout could not be advanced');
  }

  #log(record: RolloutRecord, { steps, judged }: ReturnType<typeof planNextSteps>): void {
    for (const step of steps) {
      const what =
        step.kind === 'action' ? { action: step.action, reason: step.reason } : { step: step.kind };
      const verdict = judged ? { verdict: judged.judgement.verdict } : {};
      this.#logger.info(
        { rollout: record.id, model: record.plan.model, ...what, ...verdict },
        'rollout advanced',
      );
    }
  }

  async #find(id: string): Promise<RolloutRecord> {
    const record = await this.#store.find(id);
    if (!record) throw noSuchRollout(`find rollout "${id}"`);
    return record;
  }

  #wake(id: string): void {
    this.#changed.add(id);
    this.#evaluateAt.delete(id);
    this.#woken();
  }

  async #runUntilStopped(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wakeUp = new AbortController();
      this.#woken = () => wakeUp.abort();
      try {
        await this.tick();
        await this.#clock.sleep(EVALUATE_MS_MIN, signal);
        const waitMs = Math.min(
          EVALUATE_MS_MAX,
          ...[...this.#evaluateAt.values()].map((at) => at - this.#clock.monotonic()),
        );
        if (waitMs > 0) await this.#clock.sleep(waitMs, AbortSignal.any([signal, wakeUp.signal]));
      } catch (error) {
        if (signal.aborted) return;
        if (!wakeUp.signal.aborted) {
          this.#logger.error({ reason: errorText(error) }, 'rollouts could not be evaluated');
          await this.#clock.sleep(this.#observeMs, signal).catch(() => undefined);
        }
      }
    }
  }
}

/**
 * A mere heartbeat is stored only while silence matters: until the rollout has ended, or the device has come to an end in it; and
 * only when the one before it is old enough.
 */
function isWorthStoring(
  before: RolloutDevice,
  after: RolloutDevice,
  { status, plan }: Pick<RolloutRecord, 'status' | 'plan'>,
): boolean {
  if (after === before) return false;
  const isHeartbeat =
    after.status === before.status &&
    after.revertedAt === before.revertedAt &&
    after.revertOutcome === before.revertOutcome &&
    after.previousVersion === before.previousVersion &&
    after.fault === before.fault;
  if (!isHeartbeat) return true;
  const isRevertAwaited =
    !after.assigned && after.revertedAt === null && (isUnderWay(status) || status === 'aborted');
  if (!isRevertAwaited && !(isUnderWay(status) && isInFlight(after.status))) return false;
  return (after.lastReportedAt ?? 0) - (before.lastReportedAt ?? 0) >= Math.min(30_000, plan.silenceMs / 4);
}
