import { defineErrors } from './error-entry.ts';

/** Errors of telemetry and drift. */
export const telemetryErrors = defineErrors({
  telemetry_unknown_version: {
    seenIn: ['audit'],
    retry: 'never',
    meaning:
      'A telemetry report names a version, or a manifest of a version, that was not published on this hub.',
    fix: 'Check with "modelfleet devices show ID" what the device runs. If it belongs to another hub, enrol it there again.',
  },
  telemetry_layout: {
    seenIn: ['audit'],
    retry: 'never',
    meaning: 'The counts in a telemetry report do not match the reference profile of the version.',
    fix: 'Update the agent on that device.',
  },
  telemetry_implausible: {
    seenIn: ['audit'],
    retry: 'never',
    meaning:
      'A telemetry report contains more than is possible in the time that it covers, or covers more time than has passed.',
    fix: 'Check the clock and the agent of that device with "modelfleet-agent doctor". If both are right, do not trust the device: remove it with "modelfleet devices remove ID".',
  },
  telemetry_not_offered: {
    seenIn: ['audit'],
    retry: 'never',
    meaning:
      'A telemetry report names a version that the hub never offered to this device and that the device does not report as installed.',
    fix: 'Check with "modelfleet devices show ID" what the device runs. If it belongs to another hub, enrol it there again.',
  },
  drift_no_profile: {
    status: 409,
    retry: 'never',
    meaning: 'The version was packed without a reference profile, so drift cannot be measured.',
    fix: 'Pack the next version with a sample of its training data ("sample" in model.yaml).',
  },
  no_telemetry: {
    status: 404,
    retry: 'later',
    meaning: 'No device reported telemetry of the model in this time span.',
    fix: 'Check the name with "modelfleet models list" and that devices serve the model, wait for one telemetry window (a minute), or request a longer span.',
  },
});
