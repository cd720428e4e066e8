/**
 * What to do next in a rollout: plan + state + observations + clock → steps as data. Pure; the runner carries the steps
 * out and asks again. It is level-triggered, not edge-triggered: every call derives what is still to be done from the state, so
 * a hub that died between two steps continues where it stopped.
 *
 * Invariants (promise P5): a device is offered the version only when its place in the order lies within the current
 * phase; phases never shrink; pausing or ending a rollout also withdraws what was offered and not yet switched to.
 */

import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import type { DeviceStatus, RolloutStatus } from '../../shared/api/rollouts.ts';
import { limits } from '../../shared/base/limits.ts';
import { asksForRequests, type TrialPlan } from '../../shared/protocol/desired-state.ts';
import {
  deadlinesOf,
  type FleetObservation,
  hasSwitched,
  isInFlight,
  type RolloutDevice,
  statusAt,
} from './device-progress.ts';
import { type GateInputs, type Judgement, judge, phaseEndsAt } from './gates.ts';
import { isPresent, phaseMembers } from './phase-members.ts';
import { reportDeadlines, rollbackReason } from './rollback-end.ts';
import type { RolloutAction } from './rollout-machine.ts';

/** What ends with the rollout: `keep` leaves the version on devices that switched to it, `revert` reverts it on all. */
export type Ending = 'keep' | 'revert';

export interface RolloutView {
  readonly id: string;
  readonly plan: RolloutPlan;
  readonly status: RolloutStatus;
  /** 0-based. */
  readonly phase: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  /** Start of the phase, or of running again after a pause. */
  readonly phaseStartedAt: number | null;
  readonly ending: Ending | null;
  /** In order of their ordinal. */
  readonly devices: readonly RolloutDevice[];
}

/** The runner's latest observation. Figures cover the devices that run the version, from the rollout's start. */
export interface RolloutObservation extends FleetObservation {
  readonly requests: GateInputs['requests'];
  readonly drift: GateInputs['drift'];
  readonly withdrawnReason: string | null;
}

export type Step =
  | { readonly kind: 'offer'; readonly deviceIds: readonly string[] }
  /** Back to what the device was to run before. */
  | { readonly kind: 'revert'; readonly deviceIds: readonly string[] }
  | { readonly kind: 'start-phase'; readonly phase: number }
  | {
      readonly kind: 'action';
      readonly action: RolloutAction;
      readonly reason: string;
      readonly ending?: Ending;
    };

export interface NextSteps {
  readonly steps: readonly Step[];
  /** Present when a running phase was judged. */
  readonly judged?: { readonly inputs: GateInputs; readonly judgement: Judgement };
  /** When time alone can change the answer; undefined when only an event can. */
  readonly evaluateAgainAt?: number;
}

export function planNextSteps(view: RolloutView, observation: RolloutObservation): NextSteps {
  const isEmptied = !view.devices.some(isPresent);
  if (isEmptied && emptiedEnds.has(view.status)) return { steps: [emptied] };
  switch (view.status) {
    case 'draft':
    case 'awaiting-approval':
    case 'completed':
    case 'rolled-back':
      return { steps: [] };
    case 'scheduled': {
      const startAt = view.plan.startAt ?? 0;
      if (observation.now < startAt) return { steps: [], evaluateAgainAt: startAt };
      return { steps: [{ kind: 'action', action: 'start', reason: 'its time has come' }] };
    }
    case 'running':
      return planRunning(view, observation);
    case 'paused':
      return revert(view, observation, isOnlyOffered);
    case 'aborted':
      return revert(view, observation, view.ending === 'keep' ? isOnlyOffered : (d) => d.assigned);
    case 'rolling-back':
      return planRollingBack(view, observation);
  }
}

/** A blocked one too: what prevented the offer may have passed. */
function waitsForOffer({ status }: RolloutDevice): boolean {
  return status === 'pending' || status === 'withdrawn' || status === 'blocked';
}

/** Statuses in which a rollout waits for devices or for a person. */
const emptiedEnds: ReadonlySet<RolloutStatus> = new Set(['scheduled', 'running', 'paused']);
/** Without devices nothing can be proven: no phase of such a rollout ends well. */
const emptied: Step = {
  kind: 'action',
  action: 'abort',
  reason: 'every device of it was removed from the hub',
  ending: 'keep',
};

function planRunning(view: RolloutView, observation: RolloutObservation): NextSteps {
  const inputs = gateInputs(view, observation);
  const judgement = judge(inputs);
  const judged = { inputs, judgement };
  const reason = judgement.reasons[0]?.text ?? '';
  switch (judgement.verdict) {
    case 'roll-back':
      return view.plan.onFailure === 'pause'
        ? { steps: [{ kind: 'action', action: 'pause', reason }], judged }
        : { steps: [{ kind: 'action', action: 'abort', reason, ending: 'revert' }], judged };
    case 'hold':
      return { steps: [{ kind: 'action', action: 'pause', reason }], judged };
    case 'proceed': {
      const isLast = view.phase + 1 >= view.plan.phases.length;
      return isLast
        ? { steps: [{ kind: 'action', action: 'complete', reason: 'every phase has ended well' }], judged }
        : { steps: [{ kind: 'start-phase', phase: view.phase + 1 }], judged };
    }
    case 'inconclusive': {
      const offers = phaseMembers(view)
        .filter((d) => !d.assigned && waitsForOffer(d) && observation.now >= triesAgainAt(d))
        .map((d) => d.deviceId);
      if (offers.length === 0)
        return { steps: [], judged, evaluateAgainAt: nextInstant(view, inputs, observation) };
      return {
        steps: [{ kind: 'offer', deviceIds: firstOf(offers) }],
        judged,
        evaluateAgainAt: observation.now,
      };
    }
  }
}

function planRollingBack(view: RolloutView, observation: RolloutObservation): NextSteps {
  const taking = revert(view, observation, (d) => d.assigned);
  if (taking.steps.length > 0) return { ...taking, evaluateAgainAt: observation.now };
  const awaited = reportDeadlines(view.devices, view.plan, observation);
  if (awaited.length > 0 || taking.evaluateAgainAt !== undefined) {
    const instants = [...awaited, ...(taking.evaluateAgainAt === undefined ? [] : [taking.evaluateAgainAt])];
    return { steps: [], evaluateAgainAt: Math.max(observation.now + 1_000, earliest(instants)) };
  }
  return { steps: [{ kind: 'action', action: 'finish-rollback', reason: rollbackReason(view.devices) }] };
}

/** Offered and not switched: withdrawing it changes nothing that serves. Devices that failed must not try on their own. */
function isOnlyOffered(device: RolloutDevice): boolean {
  return device.assigned && !hasSwitched(device.status);
}

function revert(
  { devices }: RolloutView,
  { now }: RolloutObservation,
  isTaken: (device: RolloutDevice) => boolean,
): NextSteps {
  const taken = devices.filter(isTaken);
  const due = taken.filter((device) => now >= triesAgainAt(device));
  if (due.length > 0) return { steps: [{ kind: 'revert', deviceIds: firstOf(due.map((d) => d.deviceId)) }] };
  return taken.length === 0
    ? { steps: [] }
    : { steps: [], evaluateAgainAt: earliest(taken.map(triesAgainAt)) };
}

/** The hub could not send a device its statement: the hub's own fault, which it retries periodically. */
function triesAgainAt({ triedAt }: RolloutDevice): number {
  return triedAt === null ? 0 : triedAt + limits.rolloutTryAgainMs;
}

/** One transaction must not hold the database for long: the rest follows at the next evaluation. */
function firstOf(deviceIds: readonly string[]): readonly string[] {
  return deviceIds.slice(0, limits.rolloutChangesPerStepMax);
}

/** Counts devices by status as of now. */
export function countStatuses(
  devices: readonly RolloutDevice[],
  plan: RolloutPlan,
  observation: FleetObservation,
): Partial<Record<DeviceStatus, number>> {
  const counts: Partial<Record<DeviceStatus, number>> = {};
  for (const device of devices) {
    const { status } = statusAt(device, plan, observation);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** The inputs of the current phase's gates. */
function gateInputs(view: RolloutView, observation: RolloutObservation): GateInputs {
  const { plan } = view;
  const cohort = phaseMembers(view);
  const phaseStartedAt = view.phaseStartedAt ?? observation.now;
  let settledAt: number | null = phaseStartedAt;
  for (const device of cohort) {
    const { endedAt } = statusAt(device, plan, observation);
    if (endedAt === null) {
      settledAt = null;
      break;
    }
    settledAt = Math.max(settledAt, endedAt);
  }
  const counts = countStatuses(cohort, plan, observation);
  return {
    phase: view.phase,
    now: observation.now,
    phaseStartedAt,
    timeCountsFrom: timeCountsFrom(phaseStartedAt, cohort, observation),
    soakMs: plan.soakMs,
    phaseTimeoutMs: plan.phaseTimeoutMs,
    rules: plan.gates,
    devices: cohort.length,
    counts,
    settledAt,
    awaitingRequests: cohort.filter((device) => awaitsRequests(device, plan, observation)).length,
    requests: observation.requests,
    drift: observation.drift,
    withdrawnReason: observation.withdrawnReason,
  };
}

/** As with the time of each device: neither a gap in the hub's watch nor the wait for a download counts against the phase. */
function timeCountsFrom(
  phaseStartedAt: number,
  cohort: readonly RolloutDevice[],
  { watchingSince, downloads }: FleetObservation,
): number {
  let from = Math.max(phaseStartedAt, watchingSince);
  for (const { deviceId, status } of cohort) {
    if (isInFlight(status)) from = Math.max(from, downloads.get(deviceId)?.waitedUntil ?? 0);
  }
  return from;
}

/** The report of a commit may still arrive this long after a trial's time. */
const TRIAL_GRACE_MS = 10_000;

/** A connected device whose trial has lasted its time and goes on: it had too few requests to judge the version. */
function awaitsRequests(
  device: RolloutDevice,
  { trial }: RolloutPlan,
  observation: FleetObservation,
): boolean {
  if (device.status !== 'trial' || !asksForRequests(trial) || !observation.connected.has(device.deviceId))
    return false;
  return observation.now >= trialEndsAt(device, trial);
}

function trialEndsAt(device: RolloutDevice, trial: TrialPlan): number {
  return device.changedAt + trial.seconds * 1_000 + TRIAL_GRACE_MS;
}

/** The next instant at which a timer of this phase runs out. */
function nextInstant(view: RolloutView, inputs: GateInputs, observation: RolloutObservation): number {
  const instants = [phaseEndsAt(inputs)];
  if (inputs.settledAt !== null) instants.push(inputs.settledAt + inputs.soakMs);
  for (const device of phaseMembers(view)) {
    if (device.status === 'blocked') instants.push(triesAgainAt(device));
    if (!isInFlight(device.status) || device.offeredAt === null) continue;
    const { silentAt, timedOutAt } = deadlinesOf(device, device.offeredAt, view.plan, observation);
    instants.push(silentAt, timedOutAt);
    if (device.status === 'trial') instants.push(trialEndsAt(device, view.plan.trial));
  }
  const later = instants.filter((instant) => instant > observation.now);
  return later.length === 0 ? observation.now + 1_000 : earliest(later);
}

/** Of at least one; there can be more of them than a call takes arguments. */
function earliest(instants: readonly number[]): number {
  return instants.reduce((first, instant) => Math.min(first, instant));
}
