/**
 * What to do next in a rollout: plan + state + observations + clock → steps as data. Pure; the runner carries the steps
 * out and asks again. It looks at levels, not at edges: every call derives what is still to be done from the state, so
 * a hub that died between two steps goes on where it was.
 *
 * Invariants (promise P5): a device is offered the version only when its place in the order lies within the current
 * phase; phases never shrink; whoever pauses or ends a rollout also takes back what was offered and not yet taken.
 */
import { limits } from '../../shared/base/limits.ts';
import { asksForRequests, type TrialPlan } from '../../shared/protocol/desired-state.ts';
import { nameDevices } from './device-names.ts';
import {
  type BackOutcome,
  type DeviceStatus,
  type FleetSight,
  hasSwitched,
  isInFlight,
  patienceEnds,
  type RolloutDevice,
  statusAt,
} from './device-progress.ts';
import { type GateInputs, type Judgement, judge } from './gates.ts';
import type { RolloutAct, RolloutStatus } from './rollout-machine.ts';
import { phaseSizes, type RolloutPlan } from './rollout-plan.ts';

/** What ends with the rollout: `keep` leaves the version on devices that took it, `back` takes it from all. */
export type Ending = 'keep' | 'back';

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

/** What the runner saw just now. Figures cover the devices that run the version, from the rollout's start. */
export interface Sight extends FleetSight {
  readonly requests: GateInputs['requests'];
  readonly drift: GateInputs['drift'];
  readonly withdrawnReason: string | null;
}

export type Step =
  | { readonly kind: 'offer'; readonly deviceIds: readonly string[] }
  /** Back to what the device was to run before. */
  | { readonly kind: 'take-back'; readonly deviceIds: readonly string[] }
  | { readonly kind: 'start-phase'; readonly phase: number }
  | { readonly kind: 'act'; readonly act: RolloutAct; readonly reason: string; readonly ending?: Ending };

export interface NextSteps {
  readonly steps: readonly Step[];
  /** Present when a running phase was judged. */
  readonly judged?: { readonly inputs: GateInputs; readonly judgement: Judgement };
  /** When time alone can change the answer; undefined when only news can. */
  readonly lookAgainAt?: number;
}

export function planNextSteps(view: RolloutView, sight: Sight): NextSteps {
  switch (view.status) {
    case 'draft':
    case 'awaiting-approval':
    case 'completed':
    case 'rolled-back':
      return { steps: [] };
    case 'scheduled': {
      const startAt = view.plan.startAt ?? 0;
      if (sight.now < startAt) return { steps: [], lookAgainAt: startAt };
      return { steps: [{ kind: 'act', act: 'start', reason: 'its time has come' }] };
    }
    case 'running':
      return planRunning(view, sight);
    case 'paused':
      return takeBack(view.devices.filter(isOnlyOffered));
    case 'aborted':
      return takeBack(view.devices.filter(view.ending === 'keep' ? isOnlyOffered : (d) => d.assigned));
    case 'rolling-back':
      return planRollingBack(view, sight);
  }
}

function planRunning(view: RolloutView, sight: Sight): NextSteps {
  const inputs = gateInputs(view, sight);
  const judgement = judge(inputs);
  const judged = { inputs, judgement };
  const reason = judgement.reasons[0]?.text ?? '';
  switch (judgement.verdict) {
    case 'roll-back':
      return view.plan.onFailure === 'pause'
        ? { steps: [{ kind: 'act', act: 'pause', reason }], judged }
        : { steps: [{ kind: 'act', act: 'abort', reason, ending: 'back' }], judged };
    case 'hold':
      return { steps: [{ kind: 'act', act: 'pause', reason }], judged };
    case 'proceed': {
      const isLast = view.phase + 1 >= view.plan.phases.length;
      return isLast
        ? { steps: [{ kind: 'act', act: 'complete', reason: 'every phase has ended well' }], judged }
        : { steps: [{ kind: 'start-phase', phase: view.phase + 1 }], judged };
    }
    case 'inconclusive': {
      const offers = view.devices
        .slice(0, currentSize(view))
        .filter((d) => !d.assigned && (d.status === 'pending' || d.status === 'withdrawn'))
        .filter((d) => !sight.removed.has(d.deviceId))
        .map((d) => d.deviceId);
      if (offers.length === 0) return { steps: [], judged, lookAgainAt: nextInstant(view, inputs, sight) };
      return { steps: [{ kind: 'offer', deviceIds: firstOf(offers) }], judged, lookAgainAt: sight.now };
    }
  }
}

function planRollingBack(view: RolloutView, sight: Sight): NextSteps {
  const { steps } = takeBack(view.devices.filter((d) => d.assigned));
  if (steps.length > 0) return { steps, lookAgainAt: sight.now };
  const offered = view.devices.filter((d) => d.offeredAt !== null);
  const waits = offered.filter((d) => d.backAt === null && !sight.removed.has(d.deviceId));
  const ends = waits.map((d) => {
    const { silentAt, timedOutAt } = patienceEnds(d, d.changedAt, view.plan, sight);
    return sight.connected.has(d.deviceId) ? timedOutAt : Math.min(silentAt, timedOutAt);
  });
  const awaited = ends.filter((end) => sight.now < end);
  if (awaited.length > 0) {
    return { steps: [], lookAgainAt: Math.max(sight.now + 1_000, earliest(awaited)) };
  }
  return { steps: [{ kind: 'act', act: 'finish-rollback', reason: backReason(offered, sight) }] };
}

/** Why a device is not back, in the order in which people ask. */
const notBack: readonly (readonly [BackOutcome | 'removed' | null, string])[] = [
  [null, 'did not go back in time and go back when they return'],
  ['refused', 'refused to go back'],
  ['no-way', 'had no version to go back to and keep what they have'],
  ['ran-before', 'ran it before and keep it'],
  ['taken-over', 'are left to a later rollout'],
  ['removed', 'were removed from the hub'],
];

/** How a rollback ended: only what devices said of themselves counts as back, the others are named. */
function backReason(offered: readonly RolloutDevice[], { removed }: FleetSight): string {
  const outcomes = new Map<BackOutcome | 'removed' | null, string[]>();
  for (const device of offered) {
    const awaited = removed.has(device.deviceId) ? 'removed' : null;
    const outcome = device.backAt === null ? awaited : (device.backAs ?? 'back');
    outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), device.deviceId]);
  }
  const total = offered.length === 1 ? '1 device' : `${offered.length} devices`;
  const back = outcomes.get('back')?.length ?? 0;
  if (back === offered.length) return 'every device is back';
  const parts = notBack.flatMap(([outcome, text]) => {
    const ids = outcomes.get(outcome);
    return ids ? [`${ids.length} ${text}: ${nameDevices(ids)}`] : [];
  });
  return [`${back} of ${total} are back`, ...parts].join('; ');
}

/** Offered and not switched: withdrawing it changes nothing that serves. Devices that failed must not try on their own. */
function isOnlyOffered(device: RolloutDevice): boolean {
  return device.assigned && !hasSwitched(device.status);
}

function takeBack(devices: readonly RolloutDevice[]): NextSteps {
  if (devices.length === 0) return { steps: [] };
  return { steps: [{ kind: 'take-back', deviceIds: firstOf(devices.map((d) => d.deviceId)) }] };
}

/** One transaction must not hold the database for long: the rest follows at the next look. */
function firstOf(deviceIds: readonly string[]): readonly string[] {
  return deviceIds.slice(0, limits.rolloutChangesPerStepMax);
}

/** Devices within the current phase. */
export function currentSize(view: Pick<RolloutView, 'plan' | 'phase' | 'devices'>): number {
  return phaseSizes(view.plan, view.devices.length)[view.phase]!;
}

/** Counts devices by status as of now. */
export function countStatuses(
  devices: readonly RolloutDevice[],
  plan: RolloutPlan,
  sight: FleetSight,
): Partial<Record<DeviceStatus, number>> {
  const counts: Partial<Record<DeviceStatus, number>> = {};
  for (const device of devices) {
    const { status } = statusAt(device, plan, sight);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** What the gates of the current phase look at. */
export function gateInputs(view: RolloutView, sight: Sight): GateInputs {
  const { plan } = view;
  const cohort = view.devices.slice(0, currentSize(view));
  const phaseStartedAt = view.phaseStartedAt ?? sight.now;
  let settledAt: number | null = phaseStartedAt;
  for (const device of cohort) {
    const { endedAt } = statusAt(device, plan, sight);
    if (endedAt === null) {
      settledAt = null;
      break;
    }
    settledAt = Math.max(settledAt, endedAt);
  }
  const counts = countStatuses(cohort, plan, sight);
  return {
    phase: view.phase,
    now: sight.now,
    phaseStartedAt,
    soakMs: plan.soakMs,
    phaseTimeoutMs: plan.phaseTimeoutMs,
    rules: plan.gates,
    devices: cohort.length - (counts.removed ?? 0),
    counts,
    settledAt,
    wantRequests: cohort.filter((device) => wantsRequests(device, plan, sight)).length,
    requests: sight.requests,
    drift: sight.drift,
    withdrawnReason: sight.withdrawnReason,
  };
}

/** Word of a commit may still be on its way this long after a trial's time. */
const TRIAL_GRACE_MS = 10_000;

/** A connected device whose trial has lasted its time and goes on: it was asked too little to judge the version. */
function wantsRequests(device: RolloutDevice, { trial }: RolloutPlan, sight: FleetSight): boolean {
  if (device.status !== 'trial' || !asksForRequests(trial) || !sight.connected.has(device.deviceId))
    return false;
  return sight.now >= trialEndsAt(device, trial);
}

function trialEndsAt(device: RolloutDevice, trial: TrialPlan): number {
  return device.changedAt + trial.seconds * 1_000 + TRIAL_GRACE_MS;
}

/** The next instant at which a timer of this phase runs out. */
function nextInstant(view: RolloutView, inputs: GateInputs, sight: Sight): number {
  const instants = [inputs.phaseStartedAt + inputs.phaseTimeoutMs];
  if (inputs.settledAt !== null) instants.push(inputs.settledAt + inputs.soakMs);
  for (const device of view.devices.slice(0, currentSize(view))) {
    if (!isInFlight(device.status) || device.offeredAt === null) continue;
    const { silentAt, timedOutAt } = patienceEnds(device, device.offeredAt, view.plan, sight);
    instants.push(silentAt, timedOutAt);
    if (device.status === 'trial') instants.push(trialEndsAt(device, view.plan.trial));
  }
  const later = instants.filter((instant) => instant > sight.now);
  return later.length === 0 ? sight.now + 1_000 : earliest(later);
}

/** Of at least one; there can be more of them than a call takes arguments. */
function earliest(instants: readonly number[]): number {
  return instants.reduce((first, instant) => Math.min(first, instant));
}
