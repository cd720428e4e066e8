import { defineErrors } from './error-entry.ts';

/** Errors of telemetry and drift. */
export const telemetryErrors = defineErrors({});
