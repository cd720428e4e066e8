/**
 * What an update does next, computed from everything it depends on: what the hub wants, what is installed, what the
 * journal says, how the trial goes, and the clock. Pure: called again after each action, each desired version and each tick, it gives
 * the same plan for the same situation, in the agent, in its tests and in a simulator alike.
 */

import { limits } from '../../shared/base/limits.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import { isEnvironmental } from '../../shared/errors/error-class.ts';
import type { DesiredModel } from '../../shared/protocol/desired-state.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import { keepsCommitted, type ModelSlots } from '../slots/slot-index.ts';
import { isQuarantined } from './failure-policy.ts';
import type { Plan, Step } from './step.ts';
import { judgeTrial } from './trial-policy.ts';
import { isSettled, isSwitched, nextState } from './update-machine.ts';
import { type Attempt, desiredKey, type TrialFigures, type UpdateRecord } from './update-record.ts';

export interface Situation {
  /** What the hub wants of this model, and in which desired state it said so; undefined when it names none. */
  readonly desired?: (DesiredModel & { readonly sequence: number }) | undefined;
  readonly record: UpdateRecord;
  readonly slots: ModelSlots;
  /** Figures of the version on trial over all lives of the agent, with the time it has served. */
  readonly trial?: {
    readonly figures: TrialFigures;
    readonly spentMs: number;
    readonly lastError?: ErrorCode | undefined;
  };
  /** Why the version on trial does not serve; undefined while it does. */
  readonly notServing?: UpdateFault | undefined;
  /** Somebody at the device asks that nothing be switched now. */
  readonly isHeld: boolean;
  readonly isConnected: boolean;
  /** Somebody at the device ordered the version before. */
  readonly isOrderedBack: boolean;
  /** Left of the wait before failed work is tried again. */
  readonly retryInMs: number;
}

export function planUpdate(situation: Situation): Plan {
  const { record, isOrderedBack } = situation;
  const attempt = record.attempt;
  if (attempt === undefined || isSettled(attempt.state)) return planSettled(situation);

  const canLoop = nextState(attempt.state, 'looped') !== undefined;
  if (canLoop && attempt.restarts > limits.restartsPerStateMax) {
    return { kind: 'move', event: 'looped', fault: loopFault(attempt) };
  }
  if (isOrderedBack && isSwitched(attempt.state)) {
    return { kind: 'move', event: 'ordered', fault: orderFault };
  }
  const gaveUp = supersededBy(situation, attempt);
  if (gaveUp) return { kind: 'move', event: 'superseded', fault: gaveUp };
  if (situation.retryInMs > 0 && attempt.state !== 'trial') {
    return { kind: 'rest', wakeInMs: situation.retryInMs };
  }
  return planWork(situation, attempt);
}

const orderFault: UpdateFault = {
  code: 'rolled_back_by_operator',
  message: 'Somebody at the device rolled it back to the version before.',
  retry: 'later',
};

function planSettled({ desired, record, slots, isOrderedBack, retryInMs }: Situation): Plan {
  const attempt = record.attempt;
  // The journal is ahead of the slots when the agent ended between the two: finish what the journal says.
  if (attempt && slots.trial) return act(attempt.state === 'committed' ? 'commit' : 'rollBack', attempt);
  if (isOrderedBack) return { kind: 'move', event: 'ordered', fault: orderFault };
  if (desired === undefined || wasRefused(record, desired)) return { kind: 'rest' };
  if (slots.active?.manifest !== desired.manifest) {
    // Given up for what lay with the environment: the version stays desired, after a wait.
    return retryInMs > 0 ? { kind: 'rest', wakeInMs: retryInMs } : { kind: 'move', event: 'wanted' };
  }
  // Sent back to what it ran all along: the answer to the version that the rollout brought stays what is reported.
  const isOfferedAgain = attempt?.manifest === desired.manifest && attempt.offer !== desired.offer;
  const isNews = desired.rollout !== undefined && (attempt?.rollout !== desired.rollout || isOfferedAgain);
  return isNews ? { kind: 'move', event: 'confirmed' } : { kind: 'rest' };
}

function planWork(situation: Situation, attempt: Attempt): Plan {
  switch (attempt.state) {
    case 'checking':
      // Trust metadata and chunks come from the hub; what is on the device already waits for nobody.
      return situation.isConnected ? act('check', attempt) : { kind: 'rest' };
    case 'downloading':
      return act('download', attempt);
    case 'verifying':
      return act('verify', attempt);
    case 'staged':
      return { kind: 'move', event: situation.isHeld ? 'hold' : 'passed' };
    case 'held':
      return situation.isHeld
        ? { kind: 'rest', wakeInMs: HELD_LOOK_MS }
        : { kind: 'move', event: 'released' };
    case 'qualifying':
      return act('qualify', attempt);
    case 'activating':
      return act('activate', attempt);
    case 'rolling-back':
      return act('rollBack', attempt);
    case 'trial':
      return planTrial(situation, attempt);
    default:
      return { kind: 'rest' };
  }
}

const HELD_LOOK_MS = 5_000;
/** Crashes and errors are looked at this often while a trial runs. */
const TRIAL_LOOK_MS = 1_000;

function planTrial({ trial, notServing }: Situation, attempt: Attempt): Plan {
  if (trial === undefined) return { kind: 'move', event: 'failed', fault: notServingFault(notServing) };
  const judged = judgeTrial({ plan: attempt.trial, ...trial });
  if (judged.verdict === 'commit') return { kind: 'move', event: 'passed' };
  if (judged.verdict === 'roll-back') return { kind: 'move', event: 'failed', fault: judged.fault };
  return { kind: 'rest', wakeInMs: Math.min(judged.leftMs || TRIAL_LOOK_MS, TRIAL_LOOK_MS) };
}

/** Damaged files and a machine that is busy say nothing against the version. */
function notServingFault(reason: UpdateFault | undefined): UpdateFault {
  if (reason && isEnvironmental(reason.code)) return reason;
  const why = reason ? `: ${reason.message}` : '.';
  const message = `The version on trial could not be served after a restart of the agent${why}`;
  return { code: 'trial_not_serving', message: shorten(message, 2_000), retry: 'never' };
}

/** Why the attempt is given up because of what the hub wants now; undefined when it is still wanted. */
function supersededBy({ desired }: Situation, attempt: Attempt): UpdateFault | undefined {
  if (attempt.state === 'rolling-back' || desired?.manifest === attempt.manifest) return undefined;
  // "Not named" leaves a model as it is: a version that answers already stays on trial.
  if (desired === undefined && isSwitched(attempt.state)) return undefined;
  const message =
    desired === undefined
      ? `The hub no longer offers version ${attempt.version}.`
      : `The hub wants version ${desired.version} in place of ${attempt.version}.`;
  return { code: 'desired_changed', message, retry: 'later' };
}

function wasRefused(record: UpdateRecord, desired: DesiredModel & { readonly sequence: number }): boolean {
  const key = desiredKey(desired);
  return record.answered.some((entry) => entry.manifest === desired.manifest && entry.desiredKey === key);
}

/** Why a version may not be installed although it is signed; undefined when it may. */
export function admissionFault(
  attempt: Pick<Attempt, 'version' | 'release' | 'manifest'>,
  record: UpdateRecord,
  slots: ModelSlots,
  nowMs: number,
): UpdateFault | undefined {
  const quarantined = record.quarantined.find(
    (entry) => entry.manifest === attempt.manifest && isQuarantined(entry, nowMs),
  );
  if (quarantined) {
    const until = new Date(quarantined.until).toISOString();
    const message = `Version ${attempt.version} is quarantined on this device until ${until}: ${quarantined.reason}`;
    return { code: 'version_quarantined', message: shorten(message, 2_000), retry: 'never' };
  }
  if (attempt.release < slots.floor && !keepsCommitted(slots, attempt.manifest)) {
    const message =
      `Version ${attempt.version} has release ${attempt.release}, this device has committed release ${slots.floor}, ` +
      'and keeps no copy of the older one.';
    return { code: 'downgrade_refused', message, retry: 'never' };
  }
  return undefined;
}

function act(name: Step['name'], attempt: Attempt): Plan {
  return { kind: 'act', step: { name, attempt } };
}

function loopFault(attempt: Attempt): UpdateFault {
  const message = `The agent ended ${attempt.restarts} times while version ${attempt.version} was in state "${attempt.state}".`;
  return { code: 'restart_loop', message, retry: 'never' };
}
