/**
 * The engine's hands: looks around, asks the planner, commits its steps, then tells the devices. One writer for each
 * rollout (its lease), so an action, a tick and a device's message never interleave. Nothing is remembered but when to evaluate
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
  /** How often the gates of a running rollout evaluate telemetry, which comes in without telling. */
  readonly observeMs?: number;
}

/** Why a rollout cannot be advanced. */
export interface RolloutTrouble {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly code: string;
  readonly message: string;
}

const OBSERVE_MS = 2_000;
/** Longest time without a look: news that was lost shows then at the latest. */
const EVALUATE_MS_MAX = 60_000;
/** Least time between two looks at one rollout, so that a thousand words of devices are one look. */
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
  /** When each rollout is looked at again, monotonic milliseconds; one that is absent is looked at now. */
  readonly #evaluateAt = new Map<string, number>();
  /** Rollouts with news since their last look began. */
  readonly #changed = new Set<string>();
  /** Of rollouts that could not be advanced at the last look. */
  readonly #troubles = new Map<string, RolloutTrouble>();
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

  /** Why the rollout could not be advanced at the last look; undefined when it could. */
  troubleOf(id: string): RolloutTrouble | undefined {
    return this.#troubles.get(id);
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

  /** Looks at every rollout whose time has come, one after the other. */
  async tick(): Promise<void> {
    const unfinished = await this.#store.unfinished();
    const isUnfinished = new Set(unfinished);
    for (const memory of [this.#evaluateAt, this.#changed, this.#troubles]) {
      for (const id of memory.keys()) if (!isUnfinished.has(id)) memory.delete(id);
    }
    for (const id of unfinished) {
      if ((this.#evaluateAt.get(id) ?? 0) > this.#clock.monotonic()) continue;
      await this.#leases.hold(id, () => this.#advanceOrLog(id));
    }
  }

  /** Brings a rollout as far as it can go now. What fails is logged and tried again at the next evaluation. */
  async evaluate(id: string): Promise<void> {
    await this.#leases.hold(id, () => this.#advanceOrLog(id));
    // The loop sleeps by the times it knew before.
    this.#woken();
  }

  /**
   * Does an action of an operator, and what follows from it at once. Throws `not_found`, `rollout_state_conflict`; nothing is
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
      // The action is done: what follows from it may fail now and is tried again at the next evaluation.
      await this.#advanceOrLog(id);
    });
    this.#woken();
  }

  /**
   * Ends every rollout that has not, or still reverts versions: what devices have stays. For a hub that lost what happened since;
   * nothing may be decided on what it knows, nor said to have been done. Returns their ids.
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

  /** An update event of a device, heard in the transaction that stores it. */
  async handleEvent(deviceId: string, event: UpdateEvent, tx: Transaction<Tables>): Promise<void> {
    if (event.rollout === undefined) return;
    const { version, state, fault } = event;
    const message = { kind: 'event', version, state, ...(fault ? { fault } : {}) } as const;
    await this.#hear(event.rollout, deviceId, event.model, message, tx);
  }

  /** A device's reported state, heard in the transaction that stores it. */
  async handleReport(deviceId: string, reported: ReportedState, tx: Transaction<Tables>): Promise<void> {
    const { sequence } = reported;
    const awaiting = await this.#devices.awaitingBack(deviceId, tx);
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
      for (const id of new Set([latest, ...ofModel])) await this.#hear(id, deviceId, model, message, tx);
    }
    // A report is whole: a model that is not in it is not on the device.
    const told = new Set(reported.models.map(({ model }) => model));
    for (const { rolloutId, model } of awaiting) {
      if (!told.has(model)) await this.#hear(rolloutId, deviceId, model, { kind: 'report', sequence }, tx);
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

  /** Without the lease, which a look may hold for long: whatever is committed of a device begins with what it said last. */
  async #hear(
    rolloutId: string,
    deviceId: string,
    model: string,
    message: DeviceMessage,
    tx: Transaction<Tables>,
  ): Promise<void> {
    // The rollout's id may come from the device: only one that exists is looked at.
    const device = await this.#devices.find(rolloutId, deviceId, tx);
    if (!device) return;
    const record = await this.#store.find(rolloutId, tx);
    if (record?.plan.model !== model) return;
    const after = applyMessage(device, message, { version: record.plan.version, now: this.#clock.now() });
    if (!isWorthStoring(device, after, record)) return;
    await this.#devices.save(rolloutId, after, tx);
    if (after.status === device.status && after.revertOutcome === device.revertOutcome) return;
    // The look waits for the transaction to end.
    this.#wake(rolloutId);
  }

  async #advanceOrLog(id: string): Promise<void> {
    try {
      await this.#advance(id);
      this.#troubles.delete(id);
    } catch (error) {
      this.#evaluateAt.set(id, this.#clock.monotonic() + this.#observeMs);
      this.#reportTrouble(id, error);
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
      // An offer that changed nothing: the version went away after it was evaluated. The next evaluation sees that.
      const isStuck = next.steps.some((step) => step.kind === 'offer') && changed.length === 0;
      if (next.steps.length > 0 && !isStuck && !this.#stopping.signal.aborted) {
        // SQLite answers at once: without this a large rollout would hold up everything else.
        await nextTurn();
        continue;
      }
      const longestMs = needsTelemetry(view) ? this.#observeMs : EVALUATE_MS_MAX;
      const waitMs = next.evaluateAgainAt === undefined ? longestMs : next.evaluateAgainAt - now;
      // A device may have spoken after this look read what it judged.
      if (this.#changed.has(id)) this.#evaluateAt.delete(id);
      else this.#evaluateAt.set(id, evaluatedAt + Math.max(EVALUATE_MS_MIN, Math.min(waitMs, longestMs)));
      return;
    }
    throw new AppError('internal', `Cannot advance rollout "${id}": its plan produces steps without end.`);
  }

  /** A trouble that goes on is told once. */
  #reportTrouble(id: string, error: unknown): void {
    const known = this.#troubles.get(id);
    const message = errorText(error);
    const code = isAppError(error) ? error.code : 'internal';
    this.#troubles.set(id, { since: known?.since ?? this.#clock.now(), code, message });
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
 * A heartbeat alone is written only while silence matters: until the rollout has ended, or the device has come to an end in it; and
 * when the one before it is old enough.
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
  const isBackAwaited =
    !after.assigned && after.revertedAt === null && (isUnderWay(status) || status === 'aborted');
  if (!isBackAwaited && !(isUnderWay(status) && isInFlight(after.status))) return false;
  return (after.lastReportedAt ?? 0) - (before.lastReportedAt ?? 0) >= Math.min(30_000, plan.silenceMs / 4);
}
