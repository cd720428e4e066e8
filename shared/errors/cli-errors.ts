import { defineErrors } from './error-entry.ts';

/** Errors of the command line. */
export const cliErrors = defineErrors({});
