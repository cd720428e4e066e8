import { defineErrors } from './error-entry.ts';

/** Errors of backups of a hub and of restoring them. */
export const backupErrors = defineErrors({
  backup_damaged: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'The folder is not a backup of a hub, or some of its files are missing or do not match its listing.',
    fix: 'Use another backup. To see which files differ, run "sha256sum -c SHA256SUMS" in the backup folder.',
  },
  backup_incomplete: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'The backup was made, but the hub has lost some chunks of its versions, or they are damaged. The backup contains everything else.',
    fix: 'Publish the versions that the message names again with "modelfleet models publish", or withdraw them with "modelfleet models withdraw". Then make another backup.',
  },
  data_folder_not_empty: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'A backup or a restore needs an empty folder, and this one contains files. Nothing was changed.',
    fix: 'Name a new folder. To restore in place of a broken data folder, first rename that folder with mv, and keep it.',
  },
  restore_unfinished: {
    seenIn: ['start'],
    retry: 'never',
    meaning:
      'A restore into this data folder was interrupted, so the folder contains only some of the files.',
    fix: 'Run "modelfleet-hub restore" again with the same backup and the same data folder.',
  },
  restored_clock_behind: {
    seenIn: ['start'],
    retry: 'later',
    causeStays: true,
    meaning:
      'The hub was restored from a backup whose time is later than the clock of this machine. Sequence numbers taken from this clock would be lower than those that devices have already accepted.',
    fix: 'Set the clock of this machine and start the hub again. If the clock is right and the backup was made with a clock that ran ahead, start the hub once with --catch-up.',
  },
});
