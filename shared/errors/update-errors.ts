import { defineErrors } from './error-entry.ts';

/** Errors of downloads, slots and the device's update machine; an event to the hub carries the code. */
export const updateErrors = defineErrors({});
