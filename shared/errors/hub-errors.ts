import { defineErrors } from './error-entry.ts';

/** Errors of the hub's start, HTTP surface, access and audit log. */
export const hubErrors = defineErrors({
  unauthorized: {
    status: 401,
    retry: 'never',
    meaning: 'The request carries no token, or one the hub does not know.',
    fix: 'Log in again with a valid token.',
  },
  forbidden: {
    status: 403,
    retry: 'never',
    meaning: 'The role of the token does not allow this.',
    fix: 'Use a token of the role that the message names.',
  },
  port_in_use: {
    status: 500,
    retry: 'later',
    meaning: 'Another program listens on the port.',
    fix: 'Stop that program or choose another port.',
  },
  data_folder_locked: {
    status: 500,
    retry: 'later',
    meaning: 'Another process runs on this data folder.',
    fix: 'Stop the other process, or use a folder of its own.',
  },
  data_folder_newer: {
    status: 500,
    retry: 'never',
    meaning: 'The data folder was written by a newer version.',
    fix: 'Run the newer version; an older one would damage the data.',
  },
});
