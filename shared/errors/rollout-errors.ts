import { defineErrors } from './error-entry.ts';

/** Errors of rollouts and of desired state. */
export const rolloutErrors = defineErrors({
  rollout_plan_invalid: {
    status: 400,
    retry: 'never',
    meaning:
      'The plan of the rollout cannot work: phases that do not rise to 100 %, or times that exclude each other.',
    fix: 'Correct the part of the plan that the message names.',
  },
  rollout_target_empty: {
    status: 409,
    retry: 'later',
    meaning: 'No enrolled device belongs to the target of the rollout.',
    fix: 'Check the group with "modelfleet devices list", or enrol devices first.',
  },
  rollout_not_needed: {
    status: 409,
    retry: 'never',
    meaning: 'Every device of the target already runs that version.',
    fix: 'Nothing is to be done; choose another version or group.',
  },
  rollout_downgrade: {
    status: 409,
    retry: 'never',
    meaning:
      'Devices of the target have committed a higher release than that of the version, keep no copy of it, and would refuse it.',
    fix: 'Publish the content again under a higher release. To go back to the version before, roll back the rollout that brought the newer one.',
  },
  rollout_target_unfit: {
    status: 409,
    retry: 'later',
    meaning:
      'Devices of the target cannot run the version for a reason that is known: no variant for their execution provider, or too many models already.',
    fix: 'Choose a group without the devices that the message names, or publish the version with a variant they can run.',
  },
  rollout_overlap: {
    status: 409,
    retry: 'later',
    meaning: 'Another rollout of the same model that has not ended covers some of the same devices.',
    fix: 'Wait for the other rollout to end; "modelfleet rollout abort" ends one that is scheduled, running or paused.',
  },
  device_not_reported: {
    status: 503,
    retry: 'later',
    meaning: 'The hub was restored from a backup, and the device has not said yet what it runs.',
    fix: 'A rollback tries again by itself until the device has had its time; repeat anything else when the device has connected. One that will not come back can be removed.',
  },
  rollout_state_conflict: {
    status: 409,
    retry: 'never',
    meaning: 'The state of the rollout does not allow this action.',
    fix: 'Look at its state with "modelfleet rollout status"; the message names the actions that are possible.',
  },
});
