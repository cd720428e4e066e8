import { defineErrors } from './error-entry.ts';

/** Errors of backups of a hub and of restoring them. */
export const backupErrors = defineErrors({
  backup_damaged: {
    status: 422,
    retry: 'never',
    meaning:
      'The folder is no backup of a hub, or files of it are missing or have other bytes than its listing says.',
    fix: 'Use another backup; "sha256sum -c SHA256SUMS" in its folder names the files that differ.',
  },
  backup_incomplete: {
    status: 500,
    retry: 'never',
    meaning:
      'The backup was made, but the hub itself lacks chunks that its versions name, or has them damaged. Everything else is in it.',
    fix: 'Publish the named versions again, or withdraw them; then make another backup.',
  },
  data_folder_not_empty: {
    status: 409,
    retry: 'never',
    meaning:
      'A backup or a restore was to be written into a folder that has something in it. Nothing was changed.',
    fix: 'Name a new folder. To restore in the place of a broken data folder, move that folder away first, and keep it.',
  },
  restore_unfinished: {
    status: 500,
    retry: 'never',
    meaning: 'A restore into this data folder was interrupted: it has a part of the files.',
    fix: 'Run "modelfleet-hub restore" with the same backup and the same data folder again.',
  },
  restored_clock_behind: {
    status: 503,
    retry: 'later',
    meaning:
      'The hub was restored from a backup that its clock says is still to come: numbers taken from that clock would be below what devices have seen.',
    fix: 'Set the clock of this machine and start the hub again. When it is right, and that of the backup was ahead, start it once with --catch-up.',
  },
});
