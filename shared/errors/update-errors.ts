import { defineErrors } from './error-entry.ts';

/** Errors of downloads, slots and the device's update machine; an event to the hub carries the code. */
export const updateErrors = defineErrors({
  desired_state_replayed: {
    status: 409,
    retry: 'never',
    meaning: 'A desired state came whose sequence is not above the highest this device has accepted.',
    fix: 'Have the hub sign a new one; if it does already, somebody replays old messages on the way.',
  },
  desired_state_leaps: {
    status: 409,
    retry: 'never',
    meaning:
      'A desired state came whose sequence is far above the highest this device has accepted: taken, it could leave no number for those to come.',
    fix: 'Look at who signs with the director key. A hub that was restored steps less; where none is left to step to, enrol the device again: modelfleet-agent enrol --force.',
  },
  desired_state_expired: {
    status: 409,
    retry: 'later',
    meaning: 'A desired state came after its own expiry, as this device reads the time.',
    fix: 'Check the clock of the device and of the hub; the hub signs a fresh one when it starts.',
  },
  desired_state_wrong_device: {
    status: 409,
    retry: 'never',
    meaning: 'A desired state came that was signed for another device.',
    fix: 'Check that no two devices run on one copied data folder.',
  },
  manifest_mismatch: {
    status: 409,
    retry: 'never',
    meaning: 'The hub asks for bytes that are not those the publisher signed under this version.',
    fix: 'Compare the digest with `modelfleet models show`; the hub may be compromised.',
  },
  version_withdrawn: {
    status: 410,
    retry: 'never',
    meaning: 'The publisher withdrew the version; it is not installed.',
    fix: 'Roll out another version.',
  },
  downgrade_refused: {
    status: 409,
    retry: 'never',
    meaning: 'The version has a lower release than one this device has committed, and is not kept on it.',
    fix: 'Publish the older model again as a new release, or go back to a version the device still keeps.',
  },
  version_quarantined: {
    status: 409,
    retry: 'later',
    meaning: 'The version failed on this device and is left alone for a day.',
    fix: 'Look at the reason it was quarantined for; "modelfleet devices release ID --model MODEL", or "modelfleet-agent release" on the device, lets it be tried again at once.',
  },
  desired_changed: {
    status: 409,
    retry: 'later',
    meaning: 'The hub asked for another version while this one was under way.',
    fix: 'Nothing is wrong: the device follows the newer desired version.',
  },
  rolled_back_by_operator: {
    status: 409,
    retry: 'later',
    meaning: 'Somebody at the device ordered it back to the version before.',
    fix: 'Ask whoever runs the device why.',
  },
  update_under_way: {
    status: 409,
    retry: 'later',
    meaning:
      'An update that has not switched anything yet is under way, so there is nothing to go back from.',
    fix: 'Wait until it has ended; `modelfleet-agent status` shows it.',
  },
  no_previous_version: {
    status: 409,
    retry: 'never',
    meaning: 'There is no earlier version on this device to go back to.',
    fix: 'Roll out the version wanted from the hub.',
  },
  restart_loop: {
    status: 500,
    retry: 'never',
    meaning: 'The agent ended again and again in the middle of the work of one state of the update.',
    fix: 'Look in the log of the device for what ends the agent in that state.',
  },
  not_enough_space: {
    status: 507,
    retry: 'later',
    meaning: 'The disk of the device has less free space than the version needs.',
    fix: 'Free the bytes that the message names, or keep fewer previous versions; the device goes on by itself then.',
  },
  chunk_digest_mismatch: {
    status: 502,
    retry: 'later',
    meaning: 'Chunks kept arriving with bytes that are not those of their digest.',
    fix: 'Something between hub and device changes bytes; look at the connection and at the hub’s storage.',
  },
  chunk_decayed: {
    status: 500,
    retry: 'later',
    meaning: 'A chunk that was fetched is no longer readable on this device.',
    fix: 'The device fetches it again by itself; when it repeats, check its disk.',
  },
  chunk_missing: {
    status: 502,
    retry: 'later',
    meaning: 'The hub does not have a chunk of a version it offered.',
    fix: 'Publish the version’s files again; the hub takes only those it lacks.',
  },
  version_not_offered: {
    status: 409,
    retry: 'later',
    meaning: 'The hub does not offer this device the version it asked chunks of.',
    fix: 'Nothing is wrong when the rollout was paused or changed; the next desired state settles it.',
  },
  artifact_digest_mismatch: {
    status: 502,
    retry: 'never',
    meaning: 'A file put together from its chunks does not have the digest the manifest names.',
    fix: 'The manifest contradicts itself: pack and publish the version anew.',
  },
  slot_damaged: {
    status: 500,
    retry: 'later',
    meaning: 'Files of an installed version are not those that were installed; they are not served.',
    fix: 'The device goes back to a version that is whole and fetches this one again; check its disk.',
  },
  trial_crashed: {
    status: 500,
    retry: 'never',
    meaning: 'The version crashed its runner more often than its trial allows.',
    fix: 'Run the version on a device of this kind by hand; the log holds the last output of the runner.',
  },
  trial_error_rate: {
    status: 500,
    retry: 'never',
    meaning: 'The version answered more requests with errors than its trial allows.',
    fix: 'Look at the error codes in the telemetry of this version.',
  },
  trial_requests_refused: {
    status: 500,
    retry: 'never',
    meaning:
      'The version refused the tensors of more requests than its trial allows, which the version before takes: its interface breaks the clients of the device.',
    fix: 'Publish the version with the interface of the one before; where the clients change with it, roll it out with --breaking.',
  },
  trial_not_serving: {
    status: 500,
    retry: 'never',
    meaning: 'The version passed its golden samples but could not be made to serve.',
    fix: 'Look at the runner’s error in the message.',
  },
  version_left: {
    status: 409,
    retry: 'never',
    meaning: 'A device that had taken the version of a rollout reports that it runs another one.',
    fix: 'Look at the device’s events: it went back by itself, or by order of a person at the device.',
  },
  agent_not_running: {
    status: 503,
    retry: 'later',
    meaning: 'No agent answers on the local port of this data folder.',
    fix: 'Start it with `modelfleet-agent run`.',
  },
});
