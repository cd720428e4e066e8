/**
 * What a failed step means: wait, try again, or give the version up; and for how long the device then leaves it alone. What
 * lies with the environment (the hub, the line, the disk, a busy machine; see shared/errors/error-class.ts) is never held against
 * the version: it is waited out, uncounted, for as long as the version is desired.
 */

import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import { errorClassOf, isEnvironmental } from '../../shared/errors/error-class.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import { faultOf } from '../../shared/protocol/update-fault.ts';
import { type ModelSlots, versionsBefore } from '../slots/slot-index.ts';
import { isSettled, isSwitched } from './update-machine.ts';
import type { Attempt, QuarantinedVersion, UpdateRecord } from './update-record.ts';

export type FailureVerdict =
  /** It lies with the environment: wait and try again. */
  | 'wait'
  /** Counted; try again after a wait. */
  | 'try-again'
  | 'give-up';

export function judgeFailure(attempt: Attempt, fault: UpdateFault): FailureVerdict {
  // An order to go back where nothing is left to go back to: what runs stays.
  if (attempt.state === 'rolling-back' && fault.code === 'no_previous_version') return 'give-up';
  // Going back, and bringing the slots to what a settled journal says, have no other way out.
  if (attempt.state === 'rolling-back' || isSettled(attempt.state)) return 'try-again';
  if (isEnvironmental(fault.code)) return 'wait';
  if (attempt.state === 'activating' || fault.retry === 'never') return 'give-up';
  return attempt.failures + 1 < limits.updateFailuresMax ? 'try-again' : 'give-up';
}

/** Least wait before work that failed is tried again, milliseconds: a busy machine is busy for minutes. */
export function leastWaitMs({ code }: UpdateFault): number {
  return code === 'too_slow_on_device' ? limits.busyMachineMs : 0;
}

/** Whether a connection, a desired version or metadata that arrived may make what failed on `fault` pass: then it is tried at once. */
export function newsMayHelp(fault: UpdateFault | undefined): boolean {
  return fault === undefined || isEnvironmental(fault.code);
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
  const fault = faultOf(error);
  return !isAppError(error) && isSystemError(error) ? { ...fault, code: 'disk_error' } : fault;
}

/** An error of a call to the operating system, as Node makes it. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && 'syscall' in error;
}

export function noVersionBefore(model: string): AppError {
  return new AppError(
    'no_previous_version',
    `Cannot roll back "${model}": this device keeps no earlier version that it can serve.`,
  );
}

/** Whether somebody at the device may order the version before. Throws `no_previous_version`, `update_under_way`. */
export function checkOrder(record: UpdateRecord, slots: ModelSlots, nowMs: number): void {
  const { model, attempt } = record;
  const state = attempt?.state ?? 'idle';
  if (isSwitched(state)) return;
  // The slots are about to follow the journal; what is active now is then the version before.
  if (state === 'committed' && slots.trial && slots.active) return;
  if (!isSettled(state)) {
    throw new AppError(
      'update_under_way',
      `Cannot roll back "${model}": an update is in progress (state "${state}").`,
    );
  }
  if (versionsBefore(slots, quarantinedOf(record, nowMs)).length === 0) throw noVersionBefore(model);
}

/** Manifest digests of the versions the device leaves alone now. */
export function quarantinedOf({ quarantined }: UpdateRecord, nowMs: number): ReadonlySet<string> {
  return new Set(quarantined.filter((entry) => isQuarantined(entry, nowMs)).map(({ manifest }) => manifest));
}

/** How a version that was refused or rolled back is quarantined; undefined when it did nothing wrong. */
export function quarantineFor(
  attempt: Attempt,
  fault: UpdateFault,
  nowMs: number,
): QuarantinedVersion | undefined {
  if (errorClassOf(fault.code) !== 'version') return undefined;
  return {
    manifest: attempt.manifest,
    version: attempt.version,
    until: nowMs + limits.quarantineMs,
    reason: shorten(`${fault.code}: ${fault.message}`, 2_000),
    sequence: attempt.sequence,
  };
}

/** Whether the device leaves the version alone now. A clock that was far ahead when it quarantined the version holds it no longer than others. */
export function isQuarantined({ until }: QuarantinedVersion, nowMs: number): boolean {
  return until > nowMs && until - nowMs <= limits.quarantineMs;
}
