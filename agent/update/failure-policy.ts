/**
 * What a failed step means: try again, or give the version up; and for how long the device then leaves it alone. What
 * the hub refused, shed or did not answer is never a failure of the device (promise P5): it is waited out, uncounted.
 */
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { hubFaults } from '../../shared/protocol/hub-faults.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import { isSettled } from './update-machine.ts';
import type { Attempt, ParkedVersion } from './update-record.ts';

export type FailureVerdict =
  /** The other side did not serve: wait and ask again. */
  | 'wait'
  /** Counted; try again after a wait. */
  | 'try-again'
  | 'give-up';

export function judgeFailure(attempt: Attempt, fault: UpdateFault, isHubs: boolean): FailureVerdict {
  // Going back, and bringing the slots to what a settled journal says, have no other way out.
  if (attempt.state === 'rolling-back' || isSettled(attempt.state)) return 'try-again';
  if (attempt.state === 'activating') return 'give-up';
  if (isHubs) return 'wait';
  if (fault.retry === 'never') return 'give-up';
  return attempt.failures + 1 < limits.updateFailuresMax ? 'try-again' : 'give-up';
}

export function isHubsFault(fault: UpdateFault): boolean {
  return hubFaults.has(fault.code);
}

/** A step that ended with a fault of its own making, such as golden samples that came out wrong. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly fault: UpdateFault;

  constructor(fault: UpdateFault) {
    super(fault.message);
    this.fault = fault;
  }
}

export function toFault(error: unknown): UpdateFault {
  if (error instanceof StepFailed) return error.fault;
  if (error instanceof AppError) {
    return { code: error.code, message: error.message.slice(0, 2_000), retry: error.entry.retry };
  }
  return { code: 'internal', message: errorText(error).slice(0, 2_000), retry: 'later' };
}

/** Codes of attempts that ended for a reason that says nothing about the version. */
const blameless: ReadonlySet<string> = new Set(['desired_changed', 'version_parked']);

/** How a version that was refused or rolled back is parked; undefined when it did nothing wrong. */
export function parkingFor(attempt: Attempt, fault: UpdateFault, nowMs: number): ParkedVersion | undefined {
  if (blameless.has(fault.code)) return undefined;
  return {
    manifest: attempt.manifest,
    version: attempt.version,
    until: nowMs + limits.parkedMs,
    reason: `${fault.code}: ${fault.message}`.slice(0, 2_000),
  };
}

/** Whether the device leaves the version alone now. A clock that was far ahead when it parked holds it no longer than others. */
export function isParked({ until }: ParkedVersion, nowMs: number): boolean {
  return until > nowMs && until - nowMs <= limits.parkedMs;
}
