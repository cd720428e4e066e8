import { defineErrors } from './error-entry.ts';

/** Errors of the command line. */
export const cliErrors = defineErrors({
  not_logged_in: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The command needs a hub, and no login is saved for one.',
    fix: 'Run the "modelfleet login" line that the hub printed at its first start. If the token is lost, stop the hub and start it once with --new-admin-token.',
  },
  bad_usage: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'A command line names a command, an option or a value that the program does not take, or lacks one.',
    fix: 'Correct what the message names; --help after a command shows what it takes.',
  },
  confirmation_required: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The action cannot be undone, and there is no terminal on which somebody could confirm it.',
    fix: 'Repeat the command with --yes, or run it on a terminal.',
  },
  not_confirmed: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The action cannot be undone, and whoever was asked did not confirm it. Nothing was changed.',
    fix: 'Repeat the command and type yes, or add --yes.',
  },
  login_file_damaged: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The file with the saved logins cannot be read as one.',
    fix: 'Remove the file that the message names, and run "modelfleet login" again.',
  },
  hub_answer_unreadable: {
    seenIn: ['command'],
    retry: 'later',
    meaning:
      'The answer cannot be read as an answer of a hub. It was damaged or cut off on the way, has another version, or did not come from a hub.',
    fix: 'Read the reason in the message. Check the address and any proxy in between (a proxy answers when the hub is down), and update the older of the hub and the command line.',
  },
});
