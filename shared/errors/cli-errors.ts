import { defineErrors } from './error-entry.ts';

/** Errors of the command line. */
export const cliErrors = defineErrors({
  not_logged_in: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The command needs a hub, and no login is saved for one.',
    fix: 'Run the "modelfleet login" line that the hub printed at its first start, or use a token that an admin makes with "modelfleet tokens create NAME". If no admin token is left, stop the hub and start it once with --new-admin-token.',
  },
  bad_usage: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'A command line contains a command, an option or a value that does not exist, or lacks a required one.',
    fix: 'Correct what the message names. --help after a command lists its arguments and options.',
  },
  confirmation_required: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The action cannot be undone, and there is no terminal on which to ask for confirmation.',
    fix: 'Repeat the command with --yes, or run it on a terminal.',
  },
  not_confirmed: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'The action cannot be undone, and it was not confirmed when the command asked. Nothing was changed.',
    fix: 'Repeat the command and type yes, or add --yes.',
  },
  login_file_damaged: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The file with the saved logins is damaged: it is not JSON, or a field is missing or wrong.',
    fix: 'Rename the file that the message names, and run "modelfleet login" for each hub again. Its tokens can be copied from the old file if they are still readable there; otherwise an admin makes new ones with "modelfleet tokens create NAME".',
  },
  hub_answer_unreadable: {
    seenIn: ['command'],
    retry: 'later',
    meaning:
      'What answered at the address of the hub sent something that is not an answer of a hub of this version: it was damaged or cut off on the way, the hub is older or newer, or it is not a hub.',
    fix: 'Read the reason in the message. Check the address of the hub and any proxy in between, which answers in its place when the hub is down. If the versions differ, update the older of the hub and the command line.',
  },
});
