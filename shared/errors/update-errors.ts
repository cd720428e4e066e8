import { defineErrors } from './error-entry.ts';

/** Errors of downloads, slots and the device's update machine; an event to the hub carries the code. */
export const updateErrors = defineErrors({
  desired_state_replayed: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The device received a desired state with a sequence number that is not higher than the one it accepted last.',
    fix: 'If the hub was set back to an older copy, start it once with --catch-up ("modelfleet-hub restore" does this by itself). Otherwise an attacker is replaying old messages, or two hubs run with copies of one data folder.',
  },
  desired_state_leaps: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The device received a desired state with a sequence number far above the one it accepted last. Accepting it could use up the numbers for later ones.',
    fix: 'Find out who signs with the director key. If the hub can no longer reach a number that the device accepts, remove the device there with "modelfleet devices remove ID" and enrol it with a new join token: "modelfleet-agent enrol --force".',
  },
  desired_state_expired: {
    seenIn: ['device'],
    retry: 'later',
    causeStays: true,
    meaning: "The device received a desired state that had already expired, according to the device's clock.",
    fix: 'Check the clocks of the device and the hub, and set the one that is wrong. If both are right, check that the hub is running: it signs every desired state again before it expires.',
  },
  desired_state_wrong_device: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'The device received a desired state that was signed for another device.',
    fix: 'Check that no two devices use copies of one data folder. If two do, give one of them an identity of its own: "modelfleet-agent enrol --force" with a new join token and another --id.',
  },
  manifest_mismatch: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'The hub requested a version with other bytes than the publisher signed.',
    fix: 'Compare the digest in the message with that of "modelfleet models show MODEL VERSION". If the publisher did not sign what the hub requests, treat the hub as compromised.',
  },
  version_withdrawn: {
    status: 410,
    retry: 'never',
    meaning: 'The publisher withdrew the version, so it is not installed.',
    fix: 'Use another version. "modelfleet models show" has the reason for the withdrawal.',
  },
  downgrade_refused: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The version has a lower release than one that this device has committed, and the device no longer keeps it.',
    fix: 'Publish the older model again with a higher release, or roll out a version that the device still keeps: "modelfleet devices show ID" lists it as previous.',
  },
  version_quarantined: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'The version failed on this device and stays in quarantine for a day.',
    fix: 'Check why it was quarantined. To try it again at once, run "modelfleet devices release ID --model MODEL", or "modelfleet-agent release" on the device.',
  },
  desired_changed: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'The hub requested another version while this update was in progress.',
    fix: 'Nothing: the device installs the newer desired version.',
  },
  rolled_back_by_operator: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'Somebody at the device rolled it back to the version before with "modelfleet-agent rollback".',
    fix: 'Ask the person who runs the device for the reason. To install the version again, run "modelfleet devices release ID --model MODEL".',
  },
  update_under_way: {
    seenIn: ['command'],
    retry: 'later',
    meaning: 'An update is in progress and has not switched versions yet, so there is nothing to roll back.',
    fix: 'Wait until the update ends. "modelfleet-agent status" shows its state.',
  },
  no_previous_version: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The device keeps no earlier version that it could return to.',
    fix: 'Roll out the version that you need from the hub with "modelfleet rollout create".',
  },
  restart_loop: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The agent crashed or was killed several times in the same step of the update, so the device gave the version up.',
    fix: 'Read on the device what ended the agent: "journalctl -u modelfleet-agent". Common causes are too little memory and a failing disk. Then run "modelfleet devices release ID --model MODEL" to try the version again.',
  },
  not_enough_space: {
    seenIn: ['device'],
    retry: 'later',
    causeStays: true,
    meaning: 'The disk of the device has less free space than the version needs.',
    fix: 'Free the space that the message names, or start the agent with a lower --keep-previous. The device then continues by itself.',
  },
  chunk_digest_mismatch: {
    seenIn: ['device'],
    retry: 'later',
    causeStays: true,
    meaning: 'Chunks repeatedly arrived with bytes that do not match their digest.',
    fix: 'Something between the hub and the device changes bytes, such as a proxy, a bad cable or the disk of the hub. "modelfleet-agent doctor" checks the connection; on the hub, check the disk with dmesg and smartctl.',
  },
  chunk_decayed: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'A chunk that was downloaded earlier can no longer be read on this device.',
    fix: 'Nothing at first: the device downloads the chunk again by itself. If the error comes back, the disk of the device is probably failing: check it with dmesg and smartctl, and replace it.',
  },
  chunk_missing: {
    seenIn: ['device'],
    retry: 'later',
    causeStays: true,
    meaning: 'The hub does not have a chunk of a version that it offered.',
    fix: 'Run "modelfleet models publish" for the same packed folder again. It uploads only the chunks that the hub lacks.',
  },
  version_not_offered: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'The device requested chunks of a version that the hub does not offer to it.',
    fix: 'Nothing if a rollout was paused, changed or ended: the device follows the next desired state. If the error comes back without that, report a defect with the log of the agent.',
  },
  artifact_digest_mismatch: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'A file assembled from its chunks does not have the digest in the manifest.',
    fix: 'Pack the model again and publish it as a new version: the manifest of this one is inconsistent.',
  },
  slot_damaged: {
    seenIn: ['device'],
    retry: 'later',
    meaning: 'Files of an installed version changed after installation, so the device does not serve them.',
    fix: 'Nothing at first: the device returns to an intact version and downloads this one again by itself. If the error comes back, the disk is probably failing: check it with dmesg and smartctl.',
  },
  trial_crashed: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'The version crashed its runner more often than its trial allows.',
    fix: 'The log of the agent ("journalctl -u modelfleet-agent") has the last output of the runner. Publish a new version that does not crash, or with less memory use.',
  },
  trial_error_rate: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'The version failed more requests than its trial allows.',
    fix: 'The message has the last error. "modelfleet telemetry show --model MODEL --version VERSION --json" counts the failed requests by error code. Publish a new version without the cause.',
  },
  trial_requests_refused: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The version refused more requests than its trial allows because of tensors that the version before accepts: its interface breaks the clients of the device.',
    fix: 'Publish a version with the interface of the one before. If the clients change together with the model, roll it out with --breaking.',
  },
  trial_not_serving: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'The version passed its golden samples, but the agent could not start serving it.',
    fix: 'Read the error of the runner in the message, and the log of the agent ("journalctl -u modelfleet-agent"). Publish a new version without the cause.',
  },
  version_left: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'A device that had installed the version of a rollout now reports that it runs another one.',
    fix: 'Check the events of the device with "modelfleet devices show ID". It rolled back by itself, or somebody at the device rolled it back.',
  },
  agent_not_running: {
    seenIn: ['command'],
    retry: 'later',
    causeStays: true,
    meaning: 'No agent with this data folder is running.',
    fix: 'Start it with "modelfleet-agent run", or with "systemctl start modelfleet-agent" if systemd runs it. If the agent uses another data folder, name that with --data.',
  },
});
