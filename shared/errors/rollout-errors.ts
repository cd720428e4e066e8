import { defineErrors } from './error-entry.ts';

/** Errors of rollouts and of desired state. */
export const rolloutErrors = defineErrors({
  rollout_plan_invalid: {
    status: 400,
    retry: 'never',
    meaning:
      'The plan of the rollout cannot work: its phases do not rise to 100 %, or its times contradict each other.',
    fix: 'Correct the part of the plan that the message names. The last phase covers every device: --phases 1dev,50%,100%.',
  },
  rollout_target_empty: {
    status: 409,
    retry: 'later',
    causeStays: true,
    meaning: 'The target of the rollout contains no enrolled device.',
    fix: 'List the devices of the group with "modelfleet devices list --group GROUP". Name another group, or enrol devices first.',
  },
  rollout_not_needed: {
    status: 409,
    retry: 'never',
    meaning: 'Every device of the target already runs this version.',
    fix: 'Nothing. To change what these devices run, name another version or another group.',
  },
  rollout_downgrade: {
    status: 409,
    retry: 'never',
    meaning:
      'Devices of the target have committed a higher release, no longer keep this version, and would refuse it.',
    fix: 'Publish the same content again with a higher release. To return to the version before, roll back the rollout that installed the newer one.',
  },
  rollout_target_unfit: {
    status: 409,
    retry: 'later',
    causeStays: true,
    meaning:
      'Some devices of the target cannot run the version: it has no variant for their execution provider, or they already have the maximum number of models.',
    fix: 'Choose a group without the devices that the message names, publish the version with a variant that they can run, or remove a model from them with "modelfleet models unassign".',
  },
  rollout_overlap: {
    status: 409,
    retry: 'later',
    meaning: 'Another rollout of the same model that has not ended includes some of the same devices.',
    fix: 'Wait until the other rollout ends, or end it with "modelfleet rollout abort" if it is scheduled, running or paused.',
  },
  device_not_reported: {
    status: 503,
    retry: 'later',
    meaning: 'The hub was restored from a backup, and the device has not yet reported what it runs.',
    fix: 'A rollback retries by itself until the device timeout passes. Repeat any other command after the device has connected. Remove a device that will not return with "modelfleet devices remove ID".',
  },
  rollout_state_conflict: {
    status: 409,
    retry: 'never',
    meaning: 'The state of the rollout does not allow this action.',
    fix: 'Check the state with "modelfleet rollout status". The message lists the actions that are possible now.',
  },
});
