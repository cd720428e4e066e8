/** `modelfleet-hub backup DIR`: also while a hub runs on the data folder. */
import { Command } from 'commander';
import { systemClock } from '../../platform/system-clock.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { listingName } from '../backup/file-listing.ts';
import { makeBackup } from '../backup/make-backup.ts';
import { dataOption } from './data-option.ts';
import { printResult } from './print-result.ts';

const CHUNKS_NAMED = 5;

export function backupCommand(version: string): Command {
  return new Command('backup')
    .description('copy the data folder with its private keys into a new folder, also while the hub runs')
    .argument('<dir>', 'folder to make; must not exist or be empty')
    .action(async (to: string, _flags: unknown, command: Command) => {
      const data = await dataOption(command);
      const made = await makeBackup({ data, to, program: version, nowMs: systemClock.now() });
      const lines = [
        `Backup of "${data}" in "${made.folder}": ${made.files} files, as of ${made.at}.`,
        `Check it with: (cd ${made.folder} && sha256sum --quiet -c ${listingName})`,
        "It holds the hub's private keys, unencrypted: keep it where only the hub's operators can read it.",
      ];
      printResult(command, { value: made, lines });
      if (made.missing.length === 0) return;
      const named = made.missing.slice(0, CHUNKS_NAMED).join(', ');
      throw new AppError(
        'backup_incomplete',
        `The backup was made, but ${made.missing.length} chunks of versions are missing or damaged on the hub: ${named}.`,
      );
    });
}
