import { defineErrors } from './error-entry.ts';

/** Errors of join tokens, device identity and the device connection. */
export const enrolmentErrors = defineErrors({
  trust_not_initialised: {
    status: 409,
    retry: 'later',
    meaning: 'The hub has no trust root yet, so a join token could not name the root that devices must pin.',
    fix: 'Run "modelfleet trust init" first.',
  },
  join_token_unknown: {
    status: 403,
    retry: 'never',
    meaning: 'The hub does not know the secret of the join token.',
    fix: 'Make a new token with "modelfleet devices token create" on the hub the device shall join.',
  },
  join_token_expired: {
    status: 403,
    retry: 'never',
    meaning: 'The join token is past its time.',
    fix: 'Make a new token with "modelfleet devices token create"; --ttl sets how long it is good for.',
  },
  join_token_used_up: {
    status: 403,
    retry: 'never',
    meaning: 'The join token has enrolled as many devices as it was made for.',
    fix: 'Make a new token with "modelfleet devices token create"; --uses sets for how many devices.',
  },
  join_token_revoked: {
    status: 403,
    retry: 'never',
    meaning: 'An operator revoked the join token.',
    fix: 'Make a new token with "modelfleet devices token create".',
  },
  device_exists: {
    status: 409,
    retry: 'never',
    meaning: 'A device of that id is enrolled.',
    fix: 'Choose another id, or remove the old device with "modelfleet devices remove ID".',
  },
  bad_csr: {
    status: 400,
    retry: 'never',
    meaning: 'The certificate request is damaged, not proven by its key, or not for this device.',
    fix: 'Let "modelfleet-agent enrol" make the request; it wants an RSA key of at least 2048 bits.',
  },
  authority_damaged: {
    status: 500,
    retry: 'never',
    meaning: 'The key and certificate files of the hub CA are incomplete or do not fit each other.',
    fix: 'Restore the folder that the message names from a backup; a new CA would make every device enrol again.',
  },
  already_enrolled: {
    status: 409,
    retry: 'never',
    meaning: 'The data folder of the agent holds an identity already.',
    fix: 'Use another data folder, or pass --force to give up the old identity.',
  },
  not_enrolled: {
    status: 409,
    retry: 'never',
    meaning: 'The data folder of the agent holds no identity.',
    fix: 'Run "modelfleet-agent enrol --token TOKEN" with a join token of the hub.',
  },
  identity_damaged: {
    status: 500,
    retry: 'never',
    meaning: 'The files of the device identity are missing, unreadable or do not fit each other.',
    fix: 'Remove the device on the hub and enrol it again with --force.',
  },
  certificate_not_valid_now: {
    status: 500,
    retry: 'later',
    meaning: 'By this clock the certificate is not valid yet, or not any more.',
    fix: 'Set the clock; when the clock is right and the certificate expired, enrol the device again.',
  },
  enrolment_answer_refused: {
    status: 502,
    retry: 'never',
    meaning: 'The answer of the hub to the enrolment does not fit what was asked, or not the join token.',
    fix: 'Make a new join token on the hub; if that does not help, something between device and hub changes answers.',
  },
  link_lost: {
    status: 503,
    retry: 'later',
    meaning: 'The connection to the hub was lost, or was not there, before the hub acknowledged a message.',
    fix: 'Nothing to do: the agent connects again by itself and sends the message then.',
  },
  link_refused: {
    status: 403,
    retry: 'later',
    meaning: 'The hub refused the connection of the device.',
    fix: 'See whether the device was removed with "modelfleet devices show ID"; then enrol it again.',
  },
});
