import { defineErrors } from './error-entry.ts';

/** Errors of the hub's start, HTTP surface, access and audit log. */
export const hubErrors = defineErrors({
  unauthorized: {
    status: 401,
    retry: 'never',
    meaning: 'The request carries no token, or one the hub does not know.',
    fix: 'Log in again with a valid token. Are all lost? Stop the hub and start it once with --new-admin-token.',
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
  database_locked: {
    status: 503,
    retry: 'later',
    meaning: "Another process holds the hub's database; nothing already stored was changed.",
    fix: 'Close the program that has "hub.db" open, such as a shell of SQLite. Reading goes on meanwhile.',
  },
  database_damaged: {
    status: 500,
    retry: 'never',
    meaning:
      "Part of the hub's database cannot be read: the disk, or something that wrote to it, damaged the file.",
    fix: 'Stop the hub, keep its data folder as it is, and restore a backup; or save what can be read: `sqlite3 hub.db .recover | sqlite3 new.db`, with new.db in place of hub.db and without hub.db-wal.',
  },
  data_folder_incomplete: {
    status: 500,
    retry: 'never',
    meaning:
      'The data folder lacks what belongs to it: the database, a key, the certificate authority or chunks of versions. Nothing was changed.',
    fix: 'Restore what the message names from a backup of the same moment; --accept-loss starts without it where it is lost for good.',
  },
  conflict: {
    status: 409,
    retry: 'never',
    meaning:
      'The action does not fit the present state: a thing of that name exists, or was changed meanwhile.',
    fix: 'Look at the present state that the message names, then try what fits it.',
  },
  precondition_failed: {
    status: 412,
    retry: 'never',
    meaning:
      'The thing has changed since it was read: If-Match names an older state of it. Nothing was changed.',
    fix: 'Read it again, look at what is different, and send the change with the new entity tag if it is still right.',
  },
  idempotency_key_reused: {
    status: 422,
    retry: 'never',
    meaning:
      'The idempotency key was sent with another request before: the same key must mean the same request.',
    fix: 'Send the request with a new key, such as a random UUID.',
  },
  idempotency_in_progress: {
    status: 409,
    retry: 'later',
    meaning: 'The first request with this idempotency key is not answered yet.',
    fix: 'Wait as long as Retry-After says and send the same request with the same key.',
  },
  idempotency_answer_lost: {
    status: 409,
    retry: 'never',
    meaning:
      'A request with this idempotency key took effect, and its answer is not stored: the hub was stopped before it was, the request failed afterwards, or the answer was too large.',
    fix: 'Read what the message names. Where only the answer had a secret, such as a new token, revoke it and make another with a new key.',
  },
  idempotency_keys_exhausted: {
    status: 429,
    retry: 'later',
    meaning:
      'As many requests with idempotency keys are stored as may be, of one token or of all; each is kept for a day.',
    fix: 'Send the request without the key, or later.',
  },
  rate_limited: {
    status: 429,
    retry: 'later',
    meaning: 'Too many requests of this kind came from one address, or with one token.',
    fix: 'Wait as long as Retry-After says.',
  },
  media_type_unsupported: {
    status: 415,
    retry: 'never',
    meaning: 'The body of a request is of a media type that this path does not read.',
    fix: 'Send the media type that the header Accept of the answer names, in the header Content-Type.',
  },
  hub_stopping: {
    status: 503,
    retry: 'later',
    meaning: 'The hub is shutting down and takes no new requests.',
    fix: 'Send the request again when the hub has started.',
  },
  hub_unreachable: {
    status: 503,
    retry: 'later',
    meaning: 'No hub answers at the address, or the connection to it was lost.',
    fix: 'Check that the hub runs, that address and port are right, and that nothing between blocks them.',
  },
  ca_mismatch: {
    status: 502,
    retry: 'never',
    meaning: 'The server presents another CA than the one that was pinned: it may not be the hub.',
    fix: 'Compare the fingerprint with the one the hub prints at its start; do not send secrets until they agree.',
  },
  audit_broken: {
    status: 500,
    retry: 'never',
    meaning:
      'The hash chain of the audit log does not hold: a row was changed, removed or inserted past the hub.',
    fix: 'Keep the database as it is and find out who had access to its file; compare with a backup.',
  },
  upload_quota_exceeded: {
    status: 429,
    retry: 'later',
    meaning: 'What is uploaded and no version names takes up as much as it may, of one token or of all.',
    fix: 'Publish what was uploaded, wait until what was given up leaves by itself, or raise the option of the hub that the message names.',
  },
  storage_quota_exceeded: {
    status: 507,
    retry: 'later',
    meaning: 'Versions and uploads take up as much as the hub may store.',
    fix: 'Withdraw versions that nothing runs, so that their files leave; "modelfleet hub gc --dry-run" shows what does. Or raise --storage-max of the hub.',
  },
});
