import { defineErrors } from './error-entry.ts';

/** Errors of runners and of the agent's local inference API. */
export const inferenceErrors = defineErrors({});
