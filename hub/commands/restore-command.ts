/** `modelfleet-hub restore DIR`: a data folder from a backup, prepared so that the next start catches up with the devices. */
import { Command } from 'commander';
import { systemClock } from '../../platform/system-clock.ts';
import { checkBackup, restoreBackup } from '../backup/restore-backup.ts';
import { dataOption } from './data-option.ts';
import { printResult } from './print-result.ts';

export function restoreCommand(): Command {
  return new Command('restore')
    .description(
      'make the data folder from a backup; at the next start the hub numbers what it signs above what devices have accepted since',
    )
    .argument('<dir>', 'folder that "backup" made')
    .option('--check', 'only check the backup; write nothing')
    .action(async (folder: string, flags: { check?: boolean }, command: Command) => {
      const data = await dataOption(command);
      const backup = await checkBackup(folder);
      const { note, files } = backup;
      if (!flags.check) await restoreBackup(backup, { data, nowMs: systemClock.now() });
      const result = {
        backup: folder,
        at: note.at,
        ca: note.ca,
        files: files.length,
        restored: !flags.check,
      };
      const lines = flags.check
        ? [`The backup "${folder}" is whole: ${files.length} files, as of ${note.at}.`]
        : [
            `"${data}" is the hub as of ${note.at}. What was done since is not in it.`,
            'Start the hub with the options it had; it goes above what devices have seen and says so in the audit log.',
            'Then follow "After a restore" in docs/OPERATIONS.md: the publisher signs again, tokens are looked through.',
          ];
      printResult(command, { value: result, lines });
    });
}
