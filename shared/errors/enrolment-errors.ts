import { defineErrors } from './error-entry.ts';

/** Errors of join tokens, device identity and the device connection. */
export const enrolmentErrors = defineErrors({});
