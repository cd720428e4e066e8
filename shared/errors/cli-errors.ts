import { defineErrors } from './error-entry.ts';

/** Errors of the command line. */
export const cliErrors = defineErrors({
  not_logged_in: {
    status: 401,
    retry: 'never',
    meaning: 'The command needs a hub and no login is saved.',
    fix: 'Run the "modelfleet login" line that the hub prints at its first start.',
  },
});
