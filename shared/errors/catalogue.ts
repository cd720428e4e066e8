/** Every error code of modelfleet. A code that is retired is not used again for another meaning. */
import { backupErrors } from './backup-errors.ts';
import { baseErrors } from './base-errors.ts';
import { cliErrors } from './cli-errors.ts';
import { enrolmentErrors } from './enrolment-errors.ts';
import { hubErrors } from './hub-errors.ts';
import { inferenceErrors } from './inference-errors.ts';
import { packagingErrors } from './packaging-errors.ts';
import { rolloutErrors } from './rollout-errors.ts';
import { telemetryErrors } from './telemetry-errors.ts';
import { trustErrors } from './trust-errors.ts';
import { updateErrors } from './update-errors.ts';

export const errorCatalogue = {
  ...baseErrors,
  ...backupErrors,
  ...hubErrors,
  ...enrolmentErrors,
  ...packagingErrors,
  ...trustErrors,
  ...inferenceErrors,
  ...updateErrors,
  ...telemetryErrors,
  ...rolloutErrors,
  ...cliErrors,
};

export type ErrorCode = keyof typeof errorCatalogue;

/** The codes that an HTTP API may answer with: those that have a status. */
export type HttpErrorCode = {
  [Code in ErrorCode]: (typeof errorCatalogue)[Code] extends { readonly status: number } ? Code : never;
}[ErrorCode];
