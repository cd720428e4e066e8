/**
 * Whose trouble it is when an update stops on an error. The one place that says so: the device decides by it whether it waits,
 * gives up or leaves the version alone for a time; the hub, whether the version is counted as failed.
 */
import type { ErrorCode } from './catalogue.ts';

export type Blame =
  /** The version did it, or nobody can rule out that it did: given up, parked, counted. */
  | 'version'
  /** What was asked cannot be done here, ever: refused and counted; nothing is held against the version. */
  | 'wish'
  /** Disk, clock, load, files of the device: waited out for as long as the wish stands. */
  | 'device'
  /** The hub or the way to it: waited out in the same way (promise P5). */
  | 'hub'
  /** Never ends a step of an update. */
  | 'nobody';

/** Typed so that a new code does not compile before somebody has said whose it is. */
const blames: Readonly<Record<ErrorCode, Blame>> = {
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
  runner_crashed: 'version',
  trial_crashed: 'version',
  trial_error_rate: 'version',
  trial_not_serving: 'version',
  restart_loop: 'version',
  version_left: 'version',
  // A person at the device said no to this version.
  rolled_back_by_operator: 'version',
  // A defect may be set off by what is in the version: the careful reading.
  internal: 'version',

  manifest_mismatch: 'wish',
  downgrade_refused: 'wish',
  version_parked: 'wish',

  disk_full: 'device',
  disk_error: 'device',
  not_enough_space: 'device',
  chunk_decayed: 'device',
  slot_damaged: 'device',
  // A machine with time to spare loads and answers in time; one that never does is told from it by the hub's patience.
  runner_start_timeout: 'device',
  inference_timeout: 'device',
  overloaded: 'device',
  model_not_ready: 'device',
  certificate_not_valid_now: 'device',

  desired_changed: 'hub',
  link_lost: 'hub',
  link_refused: 'hub',
  hub_unreachable: 'hub',
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
  desired_state_replayed: 'hub',
  desired_state_wrong_device: 'hub',

  not_found: 'nobody',
  unauthorized: 'nobody',
  forbidden: 'nobody',
  port_in_use: 'nobody',
  data_folder_locked: 'nobody',
  data_folder_newer: 'nobody',
  conflict: 'nobody',
  ca_mismatch: 'nobody',
  audit_broken: 'nobody',
  join_token_unknown: 'nobody',
  join_token_expired: 'nobody',
  join_token_used_up: 'nobody',
  join_token_revoked: 'nobody',
  device_exists: 'nobody',
  bad_csr: 'nobody',
  authority_damaged: 'nobody',
  already_enrolled: 'nobody',
  not_enrolled: 'nobody',
  identity_damaged: 'nobody',
  enrolment_answer_refused: 'nobody',
  model_yaml_invalid: 'nobody',
  pack_file_missing: 'nobody',
  model_file_invalid: 'nobody',
  model_unsupported: 'nobody',
  interface_mismatch: 'nobody',
  sample_invalid: 'nobody',
  golden_mismatch: 'nobody',
  pack_invalid: 'nobody',
  trust_exists: 'nobody',
  version_exists: 'nobody',
  release_not_growing: 'nobody',
  chunks_missing: 'nobody',
  artifact_mismatch: 'nobody',
  key_unreadable: 'nobody',
  model_not_served: 'nobody',
  prediction_unknown: 'nobody',
  label_known: 'nobody',
  label_invalid: 'nobody',
  host_refused: 'nobody',
  update_under_way: 'nobody',
  no_previous_version: 'nobody',
  agent_not_running: 'nobody',
  telemetry_busy: 'nobody',
  telemetry_unknown_version: 'nobody',
  telemetry_layout: 'nobody',
  drift_no_profile: 'nobody',
  no_telemetry: 'nobody',
  rollout_plan_invalid: 'nobody',
  rollout_target_empty: 'nobody',
  rollout_not_needed: 'nobody',
  rollout_overlap: 'nobody',
  rollout_state_conflict: 'nobody',
  not_logged_in: 'nobody',
};

/** A code this program does not know, or one that cannot be, is read with care: as the version's. */
export function blameOf(code: string): Exclude<Blame, 'nobody'> {
  const blame = Object.hasOwn(blames, code) ? blames[code as ErrorCode] : 'nobody';
  return blame === 'nobody' ? 'version' : blame;
}

/** Whether waiting is the answer: nothing that was asked or sent is at fault. */
export function isSurroundings(code: string): boolean {
  const blame = blameOf(code);
  return blame === 'device' || blame === 'hub';
}
