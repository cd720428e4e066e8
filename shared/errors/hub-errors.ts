import { defineErrors } from './error-entry.ts';

/** Errors of the hub's start, HTTP surface, access and audit log. */
export const hubErrors = defineErrors({
  unauthorized: {
    status: 401,
    retry: 'never',
    meaning: 'The request has no token, or its token is unknown, expired or revoked.',
    fix: 'Use a token that is valid: "modelfleet login" saves one, and "modelfleet tokens create" of an admin makes one. If no admin token is left, stop the hub and start it once with --new-admin-token.',
  },
  forbidden: {
    status: 403,
    retry: 'never',
    meaning: 'The role of the token does not allow this request.',
    fix: 'Use a token with a role that the message names.',
  },
  port_in_use: {
    seenIn: ['start'],
    retry: 'later',
    causeStays: true,
    meaning: 'Another process already uses the port.',
    fix: 'Stop that process ("ss -ltnp" shows which one it is), or choose another port with the option that the message names.',
  },
  data_folder_locked: {
    seenIn: ['command', 'start'],
    retry: 'later',
    causeStays: true,
    meaning: 'Another process already uses this data folder.',
    fix: 'Stop the process whose number the message names, or use a different folder.',
  },
  data_folder_newer: {
    seenIn: ['command', 'start'],
    retry: 'never',
    meaning: 'A newer version of modelfleet wrote this data folder.',
    fix: 'Install and run the newer version. An older one would damage the data.',
  },
  database_locked: {
    status: 503,
    retry: 'later',
    meaning: "Another process has locked the hub's database. Nothing already stored was changed.",
    fix: 'Close the program that has "hub.db" open, such as an SQLite shell. The hub still answers requests that only read.',
  },
  database_damaged: {
    status: 500,
    retry: 'never',
    meaning:
      "Part of the hub's database cannot be read. The disk, or a program that wrote to the file, damaged it.",
    fix: 'Stop the hub, keep a copy of its data folder as it is, and restore a backup with "modelfleet-hub restore". Without a backup, recover in the data folder what is readable with `sqlite3 hub.db .recover | sqlite3 new.db`, then put new.db in place of hub.db and delete hub.db-wal.',
  },
  data_folder_incomplete: {
    seenIn: ['command', 'start'],
    retry: 'never',
    meaning:
      'The data folder lacks the database, a key, the certificate authority or chunks of versions. Nothing was changed.',
    fix: 'Restore what the message names from a backup made at the same moment. If it is lost for good, start the hub once with --accept-loss.',
  },
  conflict: {
    status: 409,
    retry: 'never',
    meaning:
      'The request does not fit the current state: the name is already in use, or another request changed the item in the meantime.',
    fix: 'Check the current state that the message names, then send a request that fits it.',
  },
  precondition_failed: {
    status: 412,
    retry: 'never',
    meaning: 'If-Match names an older state: the item changed after it was read. Nothing was changed.',
    fix: 'Read the item again, check what is different, and send the change with the new entity tag if it is still right.',
  },
  idempotency_key_reused: {
    status: 422,
    retry: 'never',
    meaning: 'The idempotency key was already used for a different request.',
    fix: 'Send the request with a new key, such as a random UUID.',
  },
  idempotency_in_progress: {
    status: 409,
    retry: 'later',
    meaning: 'The hub has not answered the first request with this idempotency key yet.',
    fix: 'Wait for the time in the Retry-After header, then send the same request with the same key.',
  },
  idempotency_answer_lost: {
    status: 409,
    retry: 'never',
    meaning:
      'A request with this idempotency key took effect, but its answer is not stored: the hub stopped first, the request failed afterwards, or the answer was too large.',
    fix: 'Read the resource that the message names. If only the answer contained a secret, such as a new token, revoke it and create another one with a new key.',
  },
  idempotency_keys_exhausted: {
    status: 429,
    retry: 'later',
    meaning:
      'One token, or all tokens together, have used the maximum number of idempotency keys. The hub keeps each key for a day.',
    fix: 'Send the request without a key, or send it later.',
  },
  rate_limited: {
    status: 429,
    retry: 'later',
    meaning: 'One address or one token sent too many requests of this kind.',
    fix: 'Wait for the time in the Retry-After header, then send the request again.',
  },
  media_type_unsupported: {
    status: 415,
    retry: 'never',
    meaning: 'This path does not accept the media type of the request body.',
    fix: 'Set Content-Type to the media type in the Accept header of the answer.',
  },
  hub_stopping: {
    status: 503,
    retry: 'later',
    meaning: 'The hub is shutting down and accepts no new requests.',
    fix: 'Send the request again after the hub has started.',
  },
  hub_unreachable: {
    seenIn: ['command'],
    retry: 'later',
    meaning: 'No hub answers at this address, or the connection to it was lost.',
    fix: 'Check that the hub is running, that the address and the port are right, and that no firewall blocks them.',
  },
  ca_mismatch: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'The server presented a certificate that the pinned or trusted CA did not issue. It may not be the hub.',
    fix: 'Compare the fingerprint with the one that the hub prints when it starts. Send no secrets until they match. If the hub has a new CA, log in again with "modelfleet login URL --ca-fingerprint SHA256", and enrol devices with a new join token.',
  },
  audit_broken: {
    status: 500,
    retry: 'never',
    meaning:
      'The hash chain of the audit log is broken: something other than the hub changed, removed or inserted a row.',
    fix: 'Keep the database as it is. "modelfleet audit verify" names the first row that is wrong. Find out who had access to the file of the database, and compare it with a backup.',
  },
  upload_quota_exceeded: {
    status: 429,
    retry: 'later',
    meaning: 'Uploaded chunks that no version uses have reached the limit for one token or for the hub.',
    fix: 'Publish the uploaded version, wait until the hub deletes abandoned uploads, or raise the hub option that the message names.',
  },
  storage_quota_exceeded: {
    status: 507,
    retry: 'later',
    causeStays: true,
    meaning: 'Versions and uploads have reached the storage limit of the hub.',
    fix: 'Start the hub with a higher --storage-max for space now. Withdraw versions that no device keeps: the hub deletes their files after --withdrawn-kept (30 days by default); "modelfleet hub gc --dry-run" lists what is due.',
  },
});
