import { defineErrors } from './error-entry.ts';

/** Errors of rollouts and of desired state. */
export const rolloutErrors = defineErrors({});
