/**
 * What a move of the machine does to the record: pure, so that the journal's content is as testable as the table. The
 * runner stores the result before anything else happens.
 */

import { isEnvironmental } from '../../shared/errors/error-class.ts';
import type { DesiredModel } from '../../shared/protocol/desired-state.ts';
import type { UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';
import type { ModelSlots } from '../slots/slot-index.ts';
import { isQuarantined, quarantineFor } from './failure-policy.ts';
import { type MachineEvent, nextState } from './update-machine.ts';
import { type Attempt, desiredKey, noFigures, recordEntriesMax, type UpdateRecord } from './update-record.ts';

export interface Move {
  readonly record: UpdateRecord;
  readonly event: MachineEvent;
  readonly fault?: UpdateFault | undefined;
  readonly desired?: (DesiredModel & { readonly sequence: number }) | undefined;
  readonly slots: ModelSlots;
  readonly nowMs: number;
}

/** The record after the move. Throws when the table has no row for it: that is a defect, not a situation. */
export function applyMove({ record, event, fault, desired, slots, nowMs }: Move): UpdateRecord {
  const from = record.attempt?.state ?? 'idle';
  const state = nextState(from, event);
  if (state === undefined)
    throw new Error(`The update machine has no row for "${event}" in state "${from}".`);
  const base = event === 'wanted' || event === 'confirmed' ? fresh(desired!) : (record.attempt ?? undefined);
  const subject = event === 'ordered' && isOver(from) ? ofActive(slots, base) : base!;
  const number = (record.attempt?.event ?? 0) + 1;
  const kept = event === 'failed' ? fault : faultAfter(state, fault, subject.fault);
  const {
    fault: _,
    working: __,
    progress: ___,
    samplesDone: ____,
    ...rest
  } = followDesired(subject, desired);
  const attempt: Attempt = {
    ...rest,
    state,
    since: nowMs,
    restarts: 0,
    failures: state === 'rolling-back' ? 0 : subject.failures,
    ...(kept && { fault: kept }),
    event: number,
    announced: false,
    ...(state === 'trial' && { trialSpentMs: 0, trialBefore: noFigures }),
  };
  return { ...settle(record, attempt, nowMs), attempt };
}

/**
 * A refusal answers the desired version, and quarantines the version unless it did nothing wrong. What lies with the environment is no
 * answer: the version stays desired.
 */
function settle(record: UpdateRecord, attempt: Attempt, nowMs: number): UpdateRecord {
  const { fault, state } = attempt;
  const live = record.quarantined.filter((entry) => isQuarantined(entry, nowMs));
  if (fault === undefined || (state !== 'rejected' && state !== 'rolled-back'))
    return { ...record, quarantined: live };
  if (isEnvironmental(fault.code)) return { ...record, quarantined: live };
  const answer = { manifest: attempt.manifest, desiredKey: desiredKey(attempt), sequence: attempt.sequence };
  const quarantine = quarantineFor(attempt, fault, nowMs);
  const others = live.filter((entry) => entry.manifest !== attempt.manifest);
  return {
    ...record,
    answered: [...record.answered, answer].slice(-recordEntriesMax),
    quarantined: quarantine ? [...others, quarantine].slice(-recordEntriesMax) : live,
  };
}

function faultAfter(state: UpdateState, fault: UpdateFault | undefined, before: UpdateFault | undefined) {
  const tellsWhy =
    state === 'rejected' || state === 'rolling-back' || state === 'rolled-back' || state === 'idle';
  return tellsWhy ? (fault ?? before) : undefined;
}

function fresh(desired: DesiredModel & { readonly sequence: number }): Attempt {
  return {
    version: desired.version,
    release: desired.release,
    manifest: desired.manifest,
    ...(desired.rollout !== undefined && { rollout: desired.rollout }),
    ...(desired.offer !== undefined && { offer: desired.offer }),
    sequence: desired.sequence,
    trial: desired.trial,
    state: 'idle',
    since: 0,
    restarts: 0,
    failures: 0,
    trialSpentMs: 0,
    trialBefore: noFigures,
    event: 0,
    announced: true,
  };
}

/** A newer desired state may name the same version for another rollout, or another offer of it, or change its trial. */
function followDesired(attempt: Attempt, desired: Move['desired']): Attempt {
  if (desired?.manifest !== attempt.manifest) return attempt;
  const { rollout: _, offer: __, ...rest } = attempt;
  return {
    ...rest,
    ...(desired.rollout !== undefined && { rollout: desired.rollout }),
    ...(desired.offer !== undefined && { offer: desired.offer }),
    sequence: desired.sequence,
    trial: desired.trial,
  };
}

/** An order to go back from a settled state is about the version that is active. */
function ofActive(slots: ModelSlots, last: Attempt | undefined): Attempt {
  if (slots.active === undefined) throw new Error('An order to go back came where no version is active.');
  if (last?.manifest === slots.active.manifest) return last;
  const { version, release, manifest } = slots.active;
  const trial = { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 };
  return fresh({ model: '', version, release, manifest, trial, sequence: last?.sequence ?? 0 });
}

function isOver(state: UpdateState): boolean {
  return state === 'idle' || state === 'committed' || state === 'rejected' || state === 'rolled-back';
}
