import { defineErrors } from './error-entry.ts';

/** Errors of the command line. */
export const cliErrors = defineErrors({
  not_logged_in: {
    status: 401,
    retry: 'never',
    meaning: 'The command needs a hub and no login is saved.',
    fix: 'Run the "modelfleet login" line that the hub prints at its first start. Lost? Stop the hub and start it once with --new-admin-token.',
  },
  hub_answer_unreadable: {
    status: 502,
    retry: 'later',
    meaning:
      'Something answered that this program cannot read as what a hub says: damaged or cut short on the way, of another version, or no hub at all.',
    fix: 'Read the reason in the message. Check the address, and what stands between (a proxy answers in the place of a hub that is down); update the older of hub and command line.',
  },
});
