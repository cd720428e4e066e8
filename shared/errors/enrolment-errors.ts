import { defineErrors } from './error-entry.ts';

/** Errors of join tokens, device identity and the device connection. */
export const enrolmentErrors = defineErrors({
  join_token_unknown: {
    status: 403,
    retry: 'never',
    meaning: 'The hub does not recognise the secret in the join token.',
    fix: 'Create a new join token with "modelfleet devices token create" on the hub that the device should join.',
  },
  join_token_expired: {
    status: 403,
    retry: 'never',
    meaning: 'The join token expired.',
    fix: 'Create a new join token with "modelfleet devices token create". The option --ttl sets how long it is valid.',
  },
  join_token_used_up: {
    status: 403,
    retry: 'never',
    meaning: 'The join token has already enrolled as many devices as it allows.',
    fix: 'Create a new join token with "modelfleet devices token create". The option --uses sets how many devices it can enrol.',
  },
  join_token_revoked: {
    status: 403,
    retry: 'never',
    meaning: 'An operator revoked the join token.',
    fix: 'Create a new join token with "modelfleet devices token create".',
  },
  device_exists: {
    status: 409,
    retry: 'never',
    meaning: 'A device with this id is already enrolled.',
    fix: 'Choose another id, or remove the old device with "modelfleet devices remove ID".',
  },
  bad_csr: {
    status: 400,
    retry: 'never',
    meaning:
      'The certificate signing request is damaged, is not signed by its own key, or is for another device.',
    fix: 'Enrol with "modelfleet-agent enrol", which creates the request. The key must be RSA with at least 2048 bits.',
  },
  authority_damaged: {
    seenIn: ['start'],
    retry: 'never',
    meaning:
      "The key or certificate files of the hub's certificate authority are incomplete or do not match.",
    fix: 'Stop the hub and restore the files that the message names from a backup. With a new CA, every device would have to enrol again.',
  },
  already_enrolled: {
    seenIn: ['command'],
    retry: 'never',
    meaning: "The agent's data folder already contains a device identity.",
    fix: 'Use another data folder. To replace the old identity, run "modelfleet-agent enrol --force" with a new join token; if the hub still has a device of the same id, remove it first with "modelfleet devices remove ID".',
  },
  not_enrolled: {
    seenIn: ['start'],
    retry: 'never',
    meaning: "The agent's data folder contains no device identity.",
    fix: 'Create a join token on the hub with "modelfleet devices token create", then run "modelfleet-agent enrol --token-file FILE" on the device.',
  },
  identity_damaged: {
    seenIn: ['command', 'start'],
    retry: 'never',
    meaning: 'The files of the device identity are missing, unreadable or do not match.',
    fix: 'Remove the device on the hub with "modelfleet devices remove ID", then enrol it again with a new join token and "modelfleet-agent enrol --force".',
  },
  certificate_not_valid_now: {
    seenIn: ['command', 'device'],
    retry: 'later',
    causeStays: true,
    meaning:
      "A certificate is not yet valid or has expired, and the hub's clock does not show that this machine's clock is wrong.",
    fix: 'Check this machine\'s clock. If it is right, renew the certificate: for the device, "modelfleet devices remove ID" on the hub, then "modelfleet-agent enrol --force" with a new join token; for the hub, restart the hub, or replace the file that --http-tls-cert names.',
  },
  clock_skew: {
    seenIn: ['command', 'device'],
    retry: 'later',
    causeStays: true,
    meaning:
      "This machine's clock is wrong: by it, a certificate or signed metadata is not yet valid or has expired, and by the hub's clock it is valid.",
    fix: "Set this machine's clock, for example with NTP (timedatectl set-ntp true), and try again. If the message shows that the hub's clock is the wrong one, set that.",
  },
  enrolment_answer_refused: {
    seenIn: ['command'],
    retry: 'never',
    meaning: "The hub's answer to the enrolment does not match the request or the join token.",
    fix: 'Create a new join token with "modelfleet devices token create" and enrol with it. If enrolment fails again, something between the device and the hub alters the answers: find it before you enrol.',
  },
  link_lost: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'The connection to the hub was lost, or was not open, before the hub acknowledged a message.',
    fix: 'Nothing at first: the agent reconnects and sends the message again by itself. If the device stays disconnected, run "modelfleet-agent doctor" on it.',
  },
  link_refused: {
    seenIn: ['device'],
    retry: 'later',
    causeStays: true,
    meaning: "The hub refused the device's connection.",
    fix: 'Run "modelfleet devices show ID" to see whether the device was removed. If it was, enrol it again with "modelfleet-agent enrol --force" and a new join token. Otherwise the log of the hub has the reason.',
  },
});
