import { defineErrors } from './error-entry.ts';

/** Errors of signatures, metadata, keys and published versions. */
export const trustErrors = defineErrors({});
