/**
 * Carries planned steps out inside one transaction: state of the rollout, rows of its devices, desired state of the
 * devices, verdict and audit rows stand or fall together. What must be known from elsewhere (versions to go back to) is
 * looked up before, because the database has one connection.
 */
import type { Transaction } from 'kysely';
import type { TrialPlan } from '../../shared/protocol/desired-state.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Tables } from '../db/tables.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { RolloutDevice } from './device-progress.ts';
import type { Assignment, Director } from './director.ts';
import type { RolloutFleet, RolloutVersions } from './rollout-evidence.ts';
import { actDone, afterAct } from './rollout-machine.ts';
import type { NextSteps, RolloutView, Step } from './rollout-planner.ts';
import type { RolloutProgress, RolloutRecord, RolloutStore } from './rollout-store.ts';

/** Who an act is done by, as the audit log names it. */
export type ActedBy = Pick<AuditEvent, 'actor' | 'address'>;

/** A version the device ran before was proven then: going back to it waits for nothing and is judged by nothing. */
const noTrial: TrialPlan = { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 100 };

/** Statuses a taken-back offer leaves as they are: how the device failed is worth more than that the hub withdrew. */
const keptStatuses: ReadonlySet<RolloutDevice['status']> = new Set(['failed', 'rejected', 'rolled-back']);

export interface RolloutChangesProps {
  readonly store: RolloutStore;
  readonly director: Director;
  readonly versions: RolloutVersions;
  readonly fleet: Pick<RolloutFleet, 'get'>;
  readonly audit: Pick<AuditLog, 'append'>;
}

export class RolloutChanges {
  readonly #props: RolloutChangesProps;

  constructor(props: RolloutChangesProps) {
    this.#props = props;
  }

  /** Commits `next` and returns the devices whose statement changed, to be published. */
  async commit(
    record: RolloutRecord,
    view: RolloutView,
    next: NextSteps,
    { now, by }: { readonly now: number; readonly by: ActedBy },
  ): Promise<readonly string[]> {
    const known = await this.#lookUpVersions(view, next.steps);
    const running = await this.#lookUpRunning(view, next.steps);
    return this.#props.store.transaction(async (tx) => {
      let { status, progress } = record;
      const changed: string[] = [];
      if (next.judged && verdictKey(next) !== progress.verdictKey) {
        await this.#storeVerdict(record, next.judged, by, tx);
        progress = { ...progress, verdictKey: verdictKey(next) ?? null };
      }
      for (const step of next.steps) {
        if (step.kind === 'offer')
          changed.push(...(await this.#offer(view, step.deviceIds, { now, known, running }, tx)));
        if (step.kind === 'take-back')
          changed.push(...(await this.#takeBack(view, step.deviceIds, { now, known }, tx)));
        if (step.kind === 'start-phase') {
          progress = { ...progress, phase: step.phase, phaseStartedAt: now };
          await this.#audit(record, 'rollout.phase_started', by, { phase: step.phase + 1 }, tx);
        }
        if (step.kind === 'act') {
          status = afterAct(status, step.act, record.id);
          progress = progressAfter(progress, step, now);
          const details = { reason: step.reason, status, ...(step.ending ? { ending: step.ending } : {}) };
          await this.#audit(record, `rollout.${actDone[step.act]}`, by, details, tx);
        }
      }
      if (status !== record.status || progress !== record.progress) {
        await this.#props.store.saveProgress(record.id, { status, progress, now }, tx);
      }
      return changed;
    });
  }

  async #offer(
    view: RolloutView,
    deviceIds: readonly string[],
    context: { now: number; known: KnownVersions; running: ReadonlyMap<string, string> },
    tx: Transaction<Tables>,
  ): Promise<readonly string[]> {
    const { plan } = view;
    const published = context.known.get(plan.version);
    // The next look sees that it is gone and ends the rollout.
    if (published === undefined) return [];
    const current = await this.#props.director.current(plan.model, deviceIds, tx);
    const assignments = deviceIds.map((deviceId) => assignmentOf(deviceId, published, view.id, plan.trial));
    const sequences = await this.#props.director.assign(assignments, tx);
    for (const device of pick(view, deviceIds)) {
      const previous = current.get(device.deviceId)?.version ?? context.running.get(device.deviceId) ?? null;
      await this.#props.store.saveDevice(
        view.id,
        {
          ...device,
          status: 'offered',
          assigned: true,
          sequence: sequences.get(device.deviceId)!,
          previousVersion: previous,
          offeredAt: context.now,
          changedAt: context.now,
          lastWordAt: null,
          backAt: null,
          fault: null,
        },
        tx,
      );
    }
    return deviceIds;
  }

  async #takeBack(
    view: RolloutView,
    deviceIds: readonly string[],
    { now, known }: { now: number; known: KnownVersions },
    tx: Transaction<Tables>,
  ): Promise<readonly string[]> {
    const { plan } = view;
    const current = await this.#props.director.current(plan.model, deviceIds, tx);
    // A device that a later rollout has taken over is that rollout's to steer.
    const isOwn = (device: RolloutDevice) => {
      const desired = current.get(device.deviceId);
      return desired?.rolloutId === view.id && desired.version === plan.version;
    };
    const devices = pick(view, deviceIds);
    const assignments = devices.filter(isOwn).map((device): Assignment => {
      const previous = device.previousVersion === null ? undefined : known.get(device.previousVersion);
      return previous === undefined
        ? { deviceId: device.deviceId, model: plan.model }
        : assignmentOf(device.deviceId, previous, view.id, noTrial);
    });
    const sequences = await this.#props.director.assign(assignments, tx);
    for (const device of devices) {
      const canGoBack = device.previousVersion !== null && known.has(device.previousVersion);
      // Without a version to go back to, a device keeps what it has: there is nothing to wait for.
      const isBack =
        !canGoBack ||
        keptStatuses.has(device.status) ||
        device.previousVersion === plan.version ||
        !isOwn(device);
      await this.#props.store.saveDevice(
        view.id,
        {
          ...device,
          status: keptStatuses.has(device.status) ? device.status : 'withdrawn',
          assigned: false,
          sequence: sequences.get(device.deviceId) ?? device.sequence,
          previousVersion: canGoBack ? device.previousVersion : null,
          changedAt: keptStatuses.has(device.status) ? device.changedAt : now,
          backAt: isBack ? now : null,
        },
        tx,
      );
    }
    return [...sequences.keys()];
  }

  /** The rollout's version and those that devices go back to; without the withdrawn ones, which nobody may be sent to. */
  async #lookUpVersions(view: RolloutView, steps: readonly Step[]): Promise<KnownVersions> {
    const wanted = new Set<string>();
    for (const step of steps) {
      if (step.kind === 'offer') wanted.add(view.plan.version);
      if (step.kind !== 'take-back') continue;
      for (const { previousVersion } of pick(view, step.deviceIds)) {
        if (previousVersion !== null) wanted.add(previousVersion);
      }
    }
    const known = new Map<string, PublishedVersion>();
    for (const version of wanted) {
      const published = await this.#props.versions.find(view.plan.model, version);
      if (published !== undefined && published.withdrawn === undefined) known.set(version, published);
    }
    return known;
  }

  /** What devices say they run, for those the hub has said nothing to. */
  async #lookUpRunning(view: RolloutView, steps: readonly Step[]): Promise<ReadonlyMap<string, string>> {
    const running = new Map<string, string>();
    for (const step of steps) {
      if (step.kind !== 'offer') continue;
      const current = await this.#props.director.current(view.plan.model, step.deviceIds);
      for (const deviceId of step.deviceIds) {
        if (current.has(deviceId)) continue;
        const device = await this.#props.fleet.get(deviceId);
        const version = device?.models.find((entry) => entry.model === view.plan.model)?.version;
        if (version !== undefined) running.set(deviceId, version);
      }
    }
    return running;
  }

  async #storeVerdict(
    record: RolloutRecord,
    judged: NonNullable<NextSteps['judged']>,
    by: ActedBy,
    tx: Transaction<Tables>,
  ): Promise<void> {
    await this.#props.store.addVerdict(record.id, judged, tx);
    const { verdict, reasons } = judged.judgement;
    const details = {
      phase: judged.inputs.phase + 1,
      verdict,
      reasons: reasons.map((reason) => reason.text),
    };
    await this.#audit(record, 'rollout.judged', by, details, tx);
  }

  async #audit(
    record: RolloutRecord,
    action: string,
    by: ActedBy,
    details: Readonly<Record<string, unknown>>,
    tx: Transaction<Tables>,
  ): Promise<void> {
    await this.#props.audit.append({ ...by, action, target: `rollout/${record.id}`, details }, tx);
  }
}

type KnownVersions = ReadonlyMap<string, PublishedVersion>;

function assignmentOf(
  deviceId: string,
  published: PublishedVersion,
  rolloutId: string,
  trial: TrialPlan,
): Assignment {
  const { model, version, release, manifestSha256 } = published;
  return { deviceId, model, version, release, manifestSha256, rollout: rolloutId, trial };
}

function pick(view: RolloutView, deviceIds: readonly string[]): RolloutDevice[] {
  const wanted = new Set(deviceIds);
  return view.devices.filter((device) => wanted.has(device.deviceId));
}

function progressAfter(
  progress: RolloutProgress,
  step: Step & { kind: 'act' },
  now: number,
): RolloutProgress {
  const next = { ...progress, reason: step.reason, ...(step.ending ? { ending: step.ending } : {}) };
  switch (step.act) {
    case 'start':
      return { ...next, startedAt: now, phaseStartedAt: now };
    case 'resume':
      // The time a phase has is counted anew: the pause was not its fault. What is judged next is stored in any case.
      return { ...next, phaseStartedAt: now, verdictKey: null };
    case 'complete':
    case 'abort':
    case 'finish-rollback':
      return { ...next, endedAt: now };
    case 'rollback':
      return { ...next, ending: 'back', endedAt: null };
    default:
      return next;
  }
}

function verdictKey({ judged }: NextSteps): string | undefined {
  if (!judged) return undefined;
  const { verdict, reasons } = judged.judgement;
  return [judged.inputs.phase, verdict, ...reasons.map((reason) => reason.code)].join(' ');
}
