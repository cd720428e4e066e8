import { defineErrors } from './error-entry.ts';

/** Errors of the command line. */
export const cliErrors = defineErrors({
  not_logged_in: {
    status: 401,
    retry: 'never',
    meaning: 'The command needs a hub, and no login is saved for one.',
    fix: 'Run the "modelfleet login" line that the hub printed at its first start. If the token is lost, stop the hub and start it once with --new-admin-token.',
  },
  hub_answer_unreadable: {
    status: 502,
    retry: 'later',
    meaning:
      'The answer cannot be read as an answer of a hub. It was damaged or cut off on the way, has another version, or did not come from a hub.',
    fix: 'Read the reason in the message. Check the address and any proxy in between (a proxy answers when the hub is down), and update the older of the hub and the command line.',
  },
});
