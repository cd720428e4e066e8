import { defineErrors } from './error-entry.ts';

/** Errors of signatures, metadata, keys and published versions. */
export const trustErrors = defineErrors({
  signature_invalid: {
    status: 422,
    retry: 'never',
    meaning:
      'Signed metadata does not have the signatures that its role requires: a wrong key, too few keys, or changed bytes.',
    fix: 'Sign with the key of that role. If nobody signed this metadata, treat it as an attack and check the audit log.',
  },
  metadata_invalid: {
    status: 422,
    retry: 'never',
    meaning: 'Trust metadata is malformed or contains something that its role does not allow.',
    fix: 'Sign the metadata of the publisher again with "modelfleet trust refresh --key FILE". For root and targets use your offline copy; "modelfleet trust init" serves only a hub that has no trust root.',
  },
  metadata_expired: {
    status: 422,
    retry: 'later',
    causeStays: true,
    meaning:
      'Trust metadata expired, according to the clock of the machine that reports this. New versions are not installed; installed versions keep running.',
    fix: 'Check the clock of that machine. Then check that the hub is running, because it renews snapshot and timestamp. "modelfleet trust status" shows what expired: "modelfleet trust refresh --key FILE" signs the metadata of the publisher again; no command renews root and targets yet.',
  },
  metadata_rolled_back: {
    seenIn: ['command', 'device'],
    retry: 'never',
    meaning:
      'Trust metadata is older than metadata seen before. An attacker replayed it, or the hub was restored from an old copy.',
    fix: 'Find out why the hub serves old metadata. If it was set back to an older copy, start it once with --catch-up ("modelfleet-hub restore" does this by itself); then the publisher runs "modelfleet trust refresh --restored --key FILE".',
  },
  metadata_stale: {
    status: 409,
    retry: 'later',
    meaning:
      'The metadata was built on a version that is no longer current, because somebody else published in the meantime.',
    fix: 'Run the command again: it fetches the current metadata, adds the change and signs again.',
  },
  trust_root_lost: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The trust root that the device pinned at enrolment is missing from its disk or damaged. Installed versions keep running, but the device accepts nothing new.',
    fix: 'Check the disk. Remove the device on the hub with "modelfleet devices remove ID", then enrol it with a new join token and "modelfleet-agent enrol --force".',
  },
  trust_unavailable: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'The device has not received the current trust metadata from the hub.',
    fix: 'The agent tries again by itself. If this lasts, run "modelfleet-agent doctor" on the device, which checks the connection to the hub.',
  },
  trust_not_initialised: {
    status: 409,
    retry: 'later',
    causeStays: true,
    meaning: 'The hub has no trust root yet.',
    fix: 'Run "modelfleet trust init" once.',
  },
  trust_exists: {
    status: 409,
    retry: 'never',
    meaning: 'The hub already has a trust root, and a new one cannot replace it.',
    fix: 'Use the keys that the first "modelfleet trust init" created. If they are lost, begin with an empty data folder of the hub and enrol the devices again.',
  },
  version_exists: {
    status: 409,
    retry: 'never',
    meaning: 'This version of the model is already published, and a published version cannot change.',
    fix: 'Raise version and release in model.yaml, then pack again.',
  },
  version_unknown: {
    status: 404,
    retry: 'later',
    meaning: 'The verified metadata contains no such version.',
    fix: 'Check the model with "modelfleet models list" and its versions with "modelfleet models show MODEL".',
  },
  interface_breaking: {
    status: 409,
    retry: 'never',
    meaning:
      'The interface of the version breaks clients of an earlier version or of the versions that the devices run. The message lists each difference.',
    fix: 'Export the model with the same names, types and shapes. If the clients change together with the model, repeat the command with --breaking. If no client uses the earlier version, withdraw it.',
  },
  release_not_growing: {
    status: 409,
    retry: 'never',
    meaning: 'The release number of the version is not higher than that of every earlier version.',
    fix: 'Raise the release in model.yaml and pack again.',
  },
  chunks_missing: {
    status: 409,
    retry: 'later',
    causeStays: true,
    meaning: 'The hub does not have every chunk that the manifest names.',
    fix: 'Run "modelfleet models publish" again: it uploads the missing chunks.',
  },
  artifact_mismatch: {
    status: 422,
    retry: 'never',
    meaning:
      'The bytes of a version do not have the digest or the length in its manifest or signed metadata.',
    fix: 'Pack the version again. If it was just packed, check for a bad disk, or for a proxy between this machine and the hub that changes bytes.',
  },
  key_unreadable: {
    status: 400,
    retry: 'never',
    meaning: 'A private key file is missing, damaged or not an Ed25519 key, or the passphrase is wrong.',
    fix: 'Check the path, and give the passphrase of the key in MODELFLEET_PASSPHRASE or --passphrase-file.',
  },
});
