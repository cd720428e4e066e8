import { defineErrors } from './error-entry.ts';

/** Errors of signatures, metadata, keys and published versions. */
export const trustErrors = defineErrors({
  signature_invalid: {
    status: 422,
    retry: 'never',
    meaning:
      'Signed metadata lacks the signatures its role needs: a wrong key, too few keys or changed bytes.',
    fix: 'Sign with the key that the role names; if nobody did sign it, treat it as an attack and look at the audit log.',
  },
  metadata_invalid: {
    status: 422,
    retry: 'never',
    meaning: 'Trust metadata is malformed, or says something it must not say.',
    fix: 'Make the metadata again with "modelfleet trust init", "models publish" or "models withdraw".',
  },
  metadata_expired: {
    status: 422,
    retry: 'later',
    meaning:
      'Trust metadata is past its expiry as this clock sees it; new versions are not installed, running ones stay.',
    fix: 'Check the clock of the machine that says so, then that the hub runs (it renews snapshot and timestamp) and that root, targets and publisher metadata are not due for signing.',
  },
  metadata_rolled_back: {
    status: 409,
    retry: 'never',
    meaning:
      'Trust metadata is older than what was already seen: a replay, or a hub restored from an old copy.',
    fix: 'Find out why the hub shows old metadata. If it was restored or set back: start it once with --catch-up ("restore" does that by itself), then the publisher runs "modelfleet trust refresh --restored".',
  },
  metadata_stale: {
    status: 409,
    retry: 'later',
    meaning:
      'The metadata was made on a version that is no longer current: somebody else published meanwhile.',
    fix: 'Fetch the current metadata, add the change to it and sign again; the command line does so by itself.',
  },
  trust_root_lost: {
    status: 503,
    retry: 'never',
    meaning:
      'The trust root that the device pinned when it was enrolled is gone from its disk or damaged; what runs goes on, and nothing new is believed.',
    fix: 'Look at the disk, then enrol the device again with a new join token: modelfleet-agent enrol --force.',
  },
  trust_unavailable: {
    status: 503,
    retry: 'later',
    meaning: 'The current trust metadata has not arrived from the hub.',
    fix: 'Check the connection between agent and hub; the agent tries again by itself.',
  },
  trust_not_initialised: {
    status: 409,
    retry: 'later',
    meaning: 'The hub has no trust root yet.',
    fix: 'Run "modelfleet trust init" once.',
  },
  trust_exists: {
    status: 409,
    retry: 'never',
    meaning: 'The hub already has a trust root; it is not replaced by a new one.',
    fix: 'Use the keys made at the first "modelfleet trust init".',
  },
  version_exists: {
    status: 409,
    retry: 'never',
    meaning: 'That version of the model is already published; versions are immutable.',
    fix: 'Raise the version in model.yaml and pack again.',
  },
  version_unknown: {
    status: 404,
    retry: 'later',
    meaning: 'The verified metadata names no such version.',
    fix: 'Check model and version with "modelfleet models list".',
  },
  version_withdrawn: {
    status: 409,
    retry: 'never',
    meaning: 'The publisher has withdrawn the version.',
    fix: 'Use another version; "modelfleet models show" says why it was withdrawn.',
  },
  interface_breaking: {
    status: 409,
    retry: 'never',
    meaning:
      'The interface of the version breaks clients of a version before it, or of those that the devices run: the message names each difference.',
    fix: 'Export the model with the same names, types and shapes. Where the clients change with it, repeat the command with --breaking; withdraw a version before that no client goes by.',
  },
  release_not_growing: {
    status: 409,
    retry: 'never',
    meaning: 'The release counter of the version is not above that of every version before it.',
    fix: 'Raise the release in model.yaml and pack again.',
  },
  chunks_missing: {
    status: 409,
    retry: 'later',
    meaning: 'The hub does not hold every chunk that the manifest names.',
    fix: 'Upload the missing chunks, then publish again.',
  },
  artifact_mismatch: {
    status: 422,
    retry: 'never',
    meaning:
      'The bytes of a version do not have the digests or the length that its manifest or signed metadata names.',
    fix: 'Pack the version again; if it was just packed, look for a bad disk or somebody in between.',
  },
  key_unreadable: {
    status: 400,
    retry: 'never',
    meaning: 'A private key file is missing, damaged, not Ed25519, or the passphrase is wrong.',
    fix: 'Check the path, and set MODELFLEET_PASSPHRASE or --passphrase-file to the passphrase of the key.',
  },
});
