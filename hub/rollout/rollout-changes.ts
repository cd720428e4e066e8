/**
 * Carries planned steps out inside one transaction: state of the rollout, rows of its devices, desired state of the
 * devices, verdict and audit rows are committed together or not at all. What must be known from elsewhere (rollback targets) is
 * looked up before, because the database has one connection.
 */

import type { Transaction } from 'kysely';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import type { AuditAction } from '../../shared/api/audit.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { TrialPlan } from '../../shared/protocol/desired-state.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import { faultOf } from '../../shared/protocol/update-fault.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { isDatabaseTrouble } from '../db/storage-trouble.ts';
import type { Tables } from '../db/tables.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { deviceNotReported } from './device-not-reported.ts';
import type { RolloutDevice } from './device-progress.ts';
import { blockedDevice, notSentDevice, offeredDevice, revertedDevice } from './device-transitions.ts';
import type { Assignment, Director } from './director.ts';
import { planRollbackTarget } from './rollback-target.ts';
import type { RolloutDeviceStore } from './rollout-device-store.ts';
import type { FleetReport, RolloutFleet, RolloutVersions } from './rollout-evidence.ts';
import { isUnderWay, pastParticiple, statusAfter } from './rollout-machine.ts';
import type { NextSteps, RolloutView, Step } from './rollout-planner.ts';
import type { RolloutProgress, RolloutRecord, RolloutStore } from './rollout-store.ts';

/** As long as the schema of a fault allows. */

/** The initiator of an action, as the audit log names it. */
export type Initiator = Pick<AuditEvent, 'actor' | 'address'>;

/** A version the device ran before was proven then: a rollback to it has no trial. */
const noTrial: TrialPlan = { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 100 };

export interface RolloutChangesProps {
  readonly store: RolloutStore;
  readonly devices: RolloutDeviceStore;
  readonly director: Director;
  readonly versions: RolloutVersions;
  readonly fleet: Pick<RolloutFleet, 'report'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly logger: Logger;
}

/** The result of signing statements for devices. */
interface SigningResult {
  /** Devices whose statement changed. */
  readonly changed: readonly string[];
  /** Why those of others could not be changed, where that was not known before. */
  readonly failures: ReadonlyMap<string, unknown>;
}
const nothingSigned: SigningResult = { changed: [], failures: new Map() };

export class RolloutChanges {
  readonly #props: RolloutChangesProps;
  readonly #log: LimitedLog;

  constructor(props: RolloutChangesProps) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => performance.now() });
  }

  /** Commits `next` and returns the devices whose statement changed, to be published. */
  async commit(
    record: RolloutRecord,
    seen: RolloutView,
    next: NextSteps,
    { now, by }: { readonly now: number; readonly by: Initiator },
  ): Promise<readonly string[]> {
    const { entries, unreported } = await this.#lookUpEntries(seen, next.steps);
    const known = await this.#lookUpVersions(seen, next.steps, entries);
    const context = { now, known, entries, unreported };
    return this.#props.store.transaction(async (tx) => {
      const view = await this.#asOfNow(seen, next.steps, tx);
      let { status, progress } = record;
      const changed: string[] = [];
      if (next.judged && verdictKey(next) !== progress.verdictKey) {
        await this.#storeVerdict(record, next.judged, by, tx);
        progress = { ...progress, verdictKey: verdictKey(next) ?? null };
      }
      for (const step of next.steps) {
        if (step.kind === 'offer' || step.kind === 'revert') {
          const send = step.kind === 'offer' ? this.#offer : this.#revert;
          const sent = await send.call(this, view, step.deviceIds, context, tx);
          changed.push(...sent.changed);
          await this.#reportFailures(record, step.kind, sent.failures, by, tx);
        }
        if (step.kind === 'start-phase') {
          progress = { ...progress, phase: step.phase, phaseStartedAt: now };
          await this.#audit(record, 'rollout.phase_started', by, { phase: step.phase + 1 }, tx);
        }
        if (step.kind === 'action') {
          status = statusAfter(status, step.action, record.id);
          if (step.action === 'resume') await this.#props.devices.forgetTries(record.id, tx);
          progress = progressAfter(progress, step, now);
          const details = { reason: step.reason, status, ...(step.ending ? { ending: step.ending } : {}) };
          await this.#audit(record, `rollout.${pastParticiple[step.action]}`, by, details, tx);
        }
      }
      if (status !== record.status || progress !== record.progress) {
        await this.#props.store.saveProgress(record.id, { status, progress, now }, tx);
      }
      return changed;
    });
  }

  /** Devices may have reported since they were observed: those reports are kept. */
  async #asOfNow(seen: RolloutView, steps: readonly Step[], tx: Transaction<Tables>): Promise<RolloutView> {
    const concerned = steps.flatMap((step) =>
      step.kind === 'offer' || step.kind === 'revert' ? step.deviceIds : [],
    );
    const rows = await this.#props.devices.pick(seen.id, concerned, tx);
    const now = new Map(rows.map((device) => [device.deviceId, device]));
    return { ...seen, devices: seen.devices.map((device) => now.get(device.deviceId) ?? device) };
  }

  async #offer(
    view: RolloutView,
    deviceIds: readonly string[],
    { now, known, entries }: Context,
    tx: Transaction<Tables>,
  ): Promise<SigningResult> {
    const { plan } = view;
    const published = known.get(plan.version);
    // The next evaluation finds it missing and ends the rollout.
    if (published === undefined) return nothingSigned;
    const present = await this.#props.devices.present(view.id, deviceIds, tx);
    const assignments = [...present].map((deviceId) =>
      assignmentOf(deviceId, published, view.id, plan.trial),
    );
    const { sequences, failures } = await this.#props.director.assignEach(assignments, tx);
    for (const device of pick(view, present)) {
      const sequence = sequences.get(device.deviceId);
      const row =
        sequence === undefined
          ? blockedDevice(device, toFault(failures.get(device.deviceId)), now)
          : offeredDevice(device, {
              sequence,
              entry: entries.get(device.deviceId),
              version: plan.version,
              now,
            });
      await this.#props.devices.save(view.id, row, tx);
    }
    return { changed: [...sequences.keys()], failures: firstTime(view, failures) };
  }

  async #revert(
    view: RolloutView,
    deviceIds: readonly string[],
    { now, known, entries, unreported }: Context,
    tx: Transaction<Tables>,
  ): Promise<SigningResult> {
    const { model, version } = view.plan;
    const present = await this.#props.devices.present(view.id, deviceIds, tx);
    const withoutReport = [...present].filter((deviceId) => unreported.has(deviceId));
    const reported = new Set([...present].filter((deviceId) => !unreported.has(deviceId)));
    const current = await this.#props.director.current(model, [...reported], tx);
    const unassigned = await this.#props.director.unassigned(model, [...reported], tx);
    const others = [...current.values()].map(({ rolloutId }) => rolloutId).filter((id) => id !== null);
    const statuses = await this.#props.store.statuses([...new Set(others)], tx);
    const moves = pick(view, reported).map((device) => {
      const desired = current.get(device.deviceId);
      const other = desired?.rolloutId === view.id ? undefined : statuses.get(desired?.rolloutId ?? '');
      return planRollbackTarget(device, {
        version,
        desiredVersion: desired?.version,
        isUnassigned: unassigned.has(device.deviceId),
        isHeldByOther: other !== undefined && isUnderWay(other),
        entry: entries.get(device.deviceId),
        known,
        now,
      });
    });
    const assignments = moves
      .filter(({ isSteered }) => isSteered)
      .map(
        ({ device, target }): Assignment =>
          target === undefined
            ? { deviceId: device.deviceId, model }
            : assignmentOf(device.deviceId, target, view.id, noTrial),
      );
    const assigned = await this.#props.director.assignEach(assignments, tx);
    const { sequences } = assigned;
    const failures = new Map<string, unknown>(assigned.failures);
    for (const deviceId of withoutReport)
      failures.set(deviceId, deviceNotReported(`revert the version on "${deviceId}"`, `"${deviceId}"`));
    for (const device of pick(view, new Set(failures.keys()))) {
      const fault = toFault(failures.get(device.deviceId));
      await this.#props.devices.save(view.id, notSentDevice(device, fault, { now, plan: view.plan }), tx);
    }
    for (const move of moves) {
      const { deviceId } = move.device;
      if (failures.has(deviceId)) continue;
      const row = revertedDevice(move, { sequence: sequences.get(deviceId), version, now });
      await this.#props.devices.save(view.id, row, tx);
    }
    return { changed: [...sequences.keys()], failures: firstTime(view, failures) };
  }

  /** The rollout's version and possible rollback targets; without withdrawn ones, which no device may be sent to. */
  async #lookUpVersions(
    view: RolloutView,
    steps: readonly Step[],
    entries: Context['entries'],
  ): Promise<KnownVersions> {
    const wanted = new Set<string>();
    for (const step of steps) {
      if (step.kind !== 'offer' && step.kind !== 'revert') continue;
      wanted.add(view.plan.version);
      if (step.kind === 'offer') continue;
      for (const { deviceId, previousVersion } of pick(view, step.deviceIds)) {
        const entry = entries.get(deviceId);
        for (const kept of [entry?.active, ...(entry?.previous ?? [])]) if (kept) wanted.add(kept.version);
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

  /** What the devices of these steps last reported of the model. */
  async #lookUpEntries(
    view: RolloutView,
    steps: readonly Step[],
  ): Promise<Pick<Context, 'entries' | 'unreported'>> {
    const entries = new Map<string, ReportedModel>();
    const unreported = new Set<string>();
    for (const step of steps) {
      if (step.kind !== 'offer' && step.kind !== 'revert') continue;
      for (const deviceId of step.deviceIds) {
        const report = await this.#lookUpReport(deviceId);
        const entry = report?.reported?.models.find(({ model }) => model === view.plan.model);
        if (entry !== undefined) entries.set(deviceId, entry);
        if (report?.isReportLost) unreported.add(deviceId);
      }
    }
    return { entries, unreported };
  }

  /** An unreadable report of one device counts as none. */
  async #lookUpReport(deviceId: string): Promise<FleetReport | undefined> {
    try {
      return await this.#props.fleet.report(deviceId);
    } catch (error) {
      if (isDatabaseTrouble(error)) throw error;
      this.#log.warn(
        deviceId,
        { device: deviceId, reason: errorText(error) },
        'the report of a device could not be read',
      );
      return undefined;
    }
  }

  /** Statements that the hub could not make are recorded in the audit log and in the log, once. */
  async #reportFailures(
    record: RolloutRecord,
    kind: 'offer' | 'revert',
    failures: SigningResult['failures'],
    by: Initiator,
    tx: Transaction<Tables>,
  ): Promise<void> {
    if (failures.size === 0) return;
    const named = [...failures].slice(0, limits.devicesNamedMax);
    const devices = named.map(([device, error]) => ({ device, ...toFault(error) }));
    const details = { devices, total: failures.size };
    const action = kind === 'offer' ? 'rollout.offer_failed' : 'rollout.revert_failed';
    await this.#audit(record, action, by, details, tx);
    this.#props.logger.error(
      { rollout: record.id, step: kind, ...details },
      'desired states of devices could not be signed',
    );
  }

  async #storeVerdict(
    record: RolloutRecord,
    judged: NonNullable<NextSteps['judged']>,
    by: Initiator,
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
    action: AuditAction,
    by: Initiator,
    details: Readonly<Record<string, unknown>>,
    tx: Transaction<Tables>,
  ): Promise<void> {
    await this.#props.audit.append({ ...by, action, target: `rollout/${record.id}`, details }, tx);
  }
}

type KnownVersions = ReadonlyMap<string, PublishedVersion>;

/** What was looked up before the transaction. */
interface Context {
  readonly now: number;
  readonly known: KnownVersions;
  /** What each device last reported of the model; absent until it has. */
  readonly entries: ReadonlyMap<string, ReportedModel>;
  /** Devices whose reports a restore has invalidated: their rollback targets are unknown until they report. */
  readonly unreported: ReadonlySet<string>;
}

function assignmentOf(
  deviceId: string,
  published: PublishedVersion,
  rolloutId: string,
  trial: TrialPlan,
): Assignment {
  const { model, version, release, manifestSha256 } = published;
  return { deviceId, model, version, release, manifestSha256, rollout: rolloutId, trial };
}

function pick(view: RolloutView, deviceIds: readonly string[] | ReadonlySet<string>): RolloutDevice[] {
  const wanted = new Set(deviceIds);
  return view.devices.filter((device) => wanted.has(device.deviceId));
}

/** Without those that failed before: they are retried and were reported already. */
function firstTime(view: RolloutView, failures: SigningResult['failures']): SigningResult['failures'] {
  const known = new Set(view.devices.filter((d) => d.triedAt !== null).map((d) => d.deviceId));
  return new Map([...failures].filter(([deviceId]) => !known.has(deviceId)));
}

/** The hub tries again whatever the error was. */
function toFault(error: unknown): UpdateFault {
  return { ...faultOf(error), retry: 'later' };
}

function progressAfter(
  progress: RolloutProgress,
  step: Step & { kind: 'action' },
  now: number,
): RolloutProgress {
  const next = { ...progress, reason: step.reason, ...(step.ending ? { ending: step.ending } : {}) };
  switch (step.action) {
    case 'start':
      return { ...next, startedAt: now, phaseStartedAt: now };
    case 'resume':
      // The phase's time starts again: the pause does not count against it. The next verdict is stored in any case.
      return { ...next, phaseStartedAt: now, verdictKey: null };
    case 'complete':
    case 'abort':
    case 'abandon':
    case 'finish-rollback':
      return { ...next, endedAt: now };
    case 'rollback':
      return { ...next, ending: 'revert', endedAt: null };
    default:
      return next;
  }
}

function verdictKey({ judged }: NextSteps): string | undefined {
  if (!judged) return undefined;
  const { verdict, reasons } = judged.judgement;
  return [judged.inputs.phase, verdict, ...reasons.map((reason) => reason.code)].join(' ');
}
