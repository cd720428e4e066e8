import { defineErrors } from './error-entry.ts';

/** Errors of telemetry and drift. */
export const telemetryErrors = defineErrors({
  telemetry_unknown_version: {
    status: 400,
    retry: 'never',
    meaning: 'A telemetry report names a version this hub has not published, or another manifest of it.',
    fix: 'Look at what the device runs; a device of another hub must be enrolled again.',
  },
  telemetry_layout: {
    status: 400,
    retry: 'never',
    meaning:
      'The counts of a telemetry report are not laid out as the reference profile of the version says.',
    fix: 'Update the agent of that device.',
  },
  telemetry_implausible: {
    status: 400,
    retry: 'never',
    meaning:
      'A telemetry report claims more than the time it covers can hold, or covers more time than has passed.',
    fix: 'Look at the clock and the agent of that device; if both are right, the device is not to be trusted: remove it.',
  },
  telemetry_not_offered: {
    status: 400,
    retry: 'never',
    meaning:
      'A telemetry report names a version that this device was never offered and does not say it runs.',
    fix: 'Look at what the device runs; a device of another hub must be enrolled again.',
  },
  drift_no_profile: {
    status: 409,
    retry: 'never',
    meaning: 'The version was packed without a reference profile, so there is nothing to compare with.',
    fix: 'Pack the next version with a sample of its training data (`profile:` in model.yaml).',
  },
  no_telemetry: {
    status: 404,
    retry: 'later',
    meaning: 'No device has reported any window of the model in the time span.',
    fix: 'Check that devices serve the model, wait for one telemetry window, or ask for a longer span.',
  },
});
