/**
 * Classifies the errors that can end an update by their cause. The device decides by the class whether it waits, gives up or
 * quarantines the version; the hub, whether the version is counted as failed.
 */
import { ownValue } from '../base/own-value.ts';
import type { ErrorCode } from './catalogue.ts';
import type { trustErrors } from './trust-errors.ts';
import type { updateErrors } from './update-errors.ts';

export type ErrorClass =
  /** The version did it, or nobody can rule out that it did: given up, quarantined, counted. */
  | 'version'
  /** What was asked cannot be done here, ever: refused and counted; nothing is held against the version. */
  | 'desired'
  /** Disk, clock, load, files of the device: waited out for as long as the version is desired. */
  | 'device'
  /** The hub or the way to it: waited out in the same way (promise P5). */
  | 'hub'
  /** Never ends a step of an update. */
  | 'none';

/** The areas that updates are made of: a new code of theirs does not compile before it has a class. */
type OfUpdates = keyof typeof updateErrors | keyof typeof trustErrors;

const classes: Readonly<Record<OfUpdates, ErrorClass> & Partial<Record<ErrorCode, ErrorClass>>> = {
  // A file of the version that does not parse.
  bad_input: 'version',
  too_large: 'version',
  unsupported_version: 'version',
  tensor_invalid: 'version',
  tensor_type_unsupported: 'version',
  artifact_digest_mismatch: 'version',
  version_withdrawn: 'version',
  // It was run, and was wrong.
  model_does_not_load: 'version',
  provider_unavailable: 'version',
  inference_failed: 'version',
  golden_mismatch_on_device: 'version',
  objective_missed_on_device: 'version',
  // A machine that was busy for a while looks the same: the tries are far apart (limits.busyMachineMs).
  too_slow_on_device: 'version',
  interface_not_met: 'version',
  answer_too_large: 'version',
  // Against a bound that somebody set, not against what is free at the moment.
  runner_out_of_memory: 'version',
  runner_crashed: 'version',
  trial_crashed: 'version',
  trial_error_rate: 'version',
  trial_requests_refused: 'version',
  trial_not_serving: 'version',
  restart_loop: 'version',
  version_left: 'version',
  // A person at the device said no to this version.
  rolled_back_by_operator: 'version',
  // A defect may be set off by what is in the version: the careful reading.
  internal: 'version',

  manifest_mismatch: 'desired',
  downgrade_refused: 'desired',
  version_quarantined: 'desired',

  disk_full: 'device',
  disk_error: 'device',
  file_unusable: 'device',
  not_enough_space: 'device',
  chunk_decayed: 'device',
  slot_damaged: 'device',
  // A machine with time to spare loads and answers in time; one that never does is told apart by the hub's `deviceTimeout`.
  runner_start_timeout: 'device',
  inference_timeout: 'device',
  overloaded: 'device',
  memory_short_on_device: 'device',
  model_not_ready: 'device',
  certificate_not_valid_now: 'device',
  clock_skew: 'device',
  trust_root_lost: 'device',

  desired_changed: 'hub',
  link_lost: 'hub',
  link_refused: 'hub',
  hub_unreachable: 'hub',
  hub_stopping: 'hub',
  hub_answer_unreadable: 'hub',
  rate_limited: 'hub',
  chunk_missing: 'hub',
  chunk_digest_mismatch: 'hub',
  version_not_offered: 'hub',
  version_unknown: 'hub',
  trust_unavailable: 'hub',
  trust_not_initialised: 'hub',
  metadata_expired: 'hub',
  metadata_invalid: 'hub',
  metadata_rolled_back: 'hub',
  metadata_stale: 'hub',
  signature_invalid: 'hub',
  desired_state_expired: 'hub',
  desired_state_leaps: 'hub',
  desired_state_replayed: 'hub',
  desired_state_wrong_device: 'hub',

  trust_exists: 'none',
  version_exists: 'none',
  release_not_growing: 'none',
  interface_breaking: 'none',
  chunks_missing: 'none',
  artifact_mismatch: 'none',
  key_unreadable: 'none',
  update_under_way: 'none',
  no_previous_version: 'none',
  agent_not_running: 'none',
};

/** A code that is not listed, or that cannot end a step, is read with care: as the version's. */
export function errorClassOf(code: string): Exclude<ErrorClass, 'none'> {
  const errorClass = ownValue(classes, code);
  return errorClass === undefined || errorClass === 'none' ? 'version' : errorClass;
}

/** Whether waiting is the answer: nothing that was asked or sent is at fault. */
export function isEnvironmental(code: string): boolean {
  const errorClass = errorClassOf(code);
  return errorClass === 'device' || errorClass === 'hub';
}
